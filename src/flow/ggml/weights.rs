//! The flow head's tensors on a backend. In: `speech.gguf`. Out: the same bytes, where the backend computes.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use llama_cpp_sys_2 as sys;
use syrinx_quant::GgufFile;
use syrinx_quant::shape::Flow;

use super::{Context, Tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::ggml::Backend;

/// Tensors of a layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub attention_norm: Tensor,
    pub wq: Tensor,
    pub wk: Tensor,
    pub wv: Tensor,
    pub wo: Tensor,
    pub ffn_norm: Tensor,
    pub w1: Tensor,
    pub w2: Tensor,
    pub w3: Tensor,
}

/// All tensors that graphs share, and the memory that they lie in.
#[derive(Debug)]
pub(super) struct Weights {
    pub input: Tensor,
    pub time: Tensor,
    pub condition: Tensor,
    pub layers: Vec<Layer>,
    pub norm: Tensor,
    pub output: Tensor,
    /// Projected conditioning tokens `[2][dim]`: of this frame's state, and zeros.
    pub conditions: Tensor,
    step_bytes: usize,
    condition_bytes: usize,
    _buffer: Buffer,
    _context: Context,
}

impl Weights {
    /// Errors: `BadPack`, `OutOfMemory`.
    pub fn load(file: &Arc<GgufFile>, flow: &Flow, width: usize, backend: &Backend) -> Result<Self> {
        let mut loader = Loader::new(file, 9 * flow.layers + 7)?;
        let (q, kv) = (flow.heads * flow.head_dim, flow.kv_heads * flow.head_dim);
        let input = loader.tensor("input_projection", &[flow.dim, width])?;
        let output = loader.tensor("acoustic_codebook_output", &[width, flow.dim])?;
        let norm = loader.tensor("norm", &[flow.dim])?;
        let mut layers = Vec::with_capacity(flow.layers);
        for i in 0..flow.layers {
            let mut part = |name: &str, shape: &[usize]| loader.tensor(&format!("layers.{i}.{name}"), shape);
            layers.push(Layer {
                attention_norm: part("attention_norm", &[flow.dim])?,
                wq: part("attention.wq", &[q, flow.dim])?,
                wk: part("attention.wk", &[kv, flow.dim])?,
                wv: part("attention.wv", &[kv, flow.dim])?,
                wo: part("attention.wo", &[flow.dim, q])?,
                ffn_norm: part("ffn_norm", &[flow.dim])?,
                w1: part("feed_forward.w1", &[flow.hidden_dim, flow.dim])?,
                w2: part("feed_forward.w2", &[flow.dim, flow.hidden_dim])?,
                w3: part("feed_forward.w3", &[flow.hidden_dim, flow.dim])?,
            });
        }
        let step_bytes = loader.bytes;
        let time = loader.tensor("time_projection", &[flow.dim, flow.dim])?;
        let before = loader.bytes;
        let condition = loader.tensor("llm_projection", &[flow.dim, flow.input_dim])?;
        let condition_bytes = loader.bytes - before;
        // SAFETY: the context has room for this tensor.
        let conditions =
            unsafe { sys::ggml_new_tensor_2d(loader.context.as_ptr(), sys::GGML_TYPE_F32, flow.dim as i64, 2) };
        let buffer = loader.upload(backend)?;
        Ok(Self {
            input,
            time,
            condition,
            layers,
            norm,
            output,
            conditions,
            step_bytes,
            condition_bytes,
            _buffer: buffer,
            _context: loader.context,
        })
    }

    /// Bytes of weights that one step reads.
    pub fn step_bytes(&self) -> usize {
        self.step_bytes
    }

    /// Bytes of weights that one frame reads once.
    pub fn condition_bytes(&self) -> usize {
        self.condition_bytes
    }
}

/// Declares tensors first, so that one buffer can hold them all, and fills them then.
///
/// The names of the file stay there: some are as long as ggml allows, and nothing here looks a tensor up by its name.
struct Loader<'f> {
    file: &'f GgufFile,
    context: Context,
    declared: Vec<(String, Tensor)>,
    /// Bytes declared so far.
    bytes: usize,
}

impl<'f> Loader<'f> {
    fn new(file: &'f GgufFile, tensors: usize) -> Result<Self> {
        Ok(Self { file, context: Context::new(tensors)?, declared: Vec::with_capacity(tensors), bytes: 0 })
    }

    /// Declares a tensor of the flow head (`[out, in]`), of the type that the file has. Errors: `BadPack`.
    fn tensor(&mut self, part: &str, shape: &[usize]) -> Result<Tensor> {
        let name = format!("acoustic_transformer.{part}.weight");
        let view = self.file.tensor(&name)?;
        view.expect_shape(shape)?;
        let (kind, context) = (view.dtype.ggml_id() as sys::ggml_type, self.context.as_ptr());
        let columns = shape.last().copied().unwrap_or(1) as i64;
        // SAFETY: the context has room for as many tensors as `load` declares; ggml knows all types of a file that was
        // opened, and their rows fill whole blocks.
        let tensor = unsafe {
            match shape {
                [rows, _] => sys::ggml_new_tensor_2d(context, kind, columns, *rows as i64),
                _ => sys::ggml_new_tensor_1d(context, kind, columns),
            }
        };
        self.declared.push((name, tensor));
        self.bytes += view.bytes.len();
        Ok(tensor)
    }

    /// Allocates all tensors on the backend and copies them there; the file's own pages are given back. What has no
    /// data in the file is zero. Errors: `OutOfMemory`, `BadPack`.
    fn upload(&self, backend: &Backend) -> Result<Buffer> {
        let buffer = Buffer::of(&self.context, backend, self.bytes)?;
        for (name, tensor) in &self.declared {
            let view = self.file.tensor(name)?;
            set(*tensor, view.bytes)?;
            self.file.map().release(self.file.info(name)?.range.clone());
        }
        Ok(buffer)
    }
}

/// Memory on a backend.
#[derive(Debug)]
struct Buffer(NonNull<sys::ggml_backend_buffer>);

impl Buffer {
    /// Memory for all tensors of a context, set to zero. Errors: `OutOfMemory`.
    fn of(context: &Context, backend: &Backend, bytes: usize) -> Result<Self> {
        // SAFETY: context and backend are alive, and no tensor of the context has memory yet.
        let raw = unsafe { sys::ggml_backend_alloc_ctx_tensors(context.as_ptr(), backend.as_ptr()) };
        let buffer = NonNull::new(raw).map(Self).ok_or_else(|| {
            let message = format!("no memory for the flow head ({} MB) on {}", bytes >> 20, backend.device().name());
            Error::new(ErrorKind::OutOfMemory, format!("{message}: choose a smaller recipe or --flow-engine native"))
        })?;
        // SAFETY: the buffer was just made.
        unsafe {
            sys::ggml_backend_buffer_set_usage(raw, sys::GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
            sys::ggml_backend_buffer_clear(raw, 0);
        }
        Ok(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: made in `of`, freed once, before the backend; graphs that use it are dropped before.
        unsafe { sys::ggml_backend_buffer_free(self.0.as_ptr()) }
    }
}

/// Copies `bytes` into a tensor that has memory. Errors: `Backend`, where they are not exactly its size.
pub(super) fn set(tensor: Tensor, bytes: &[u8]) -> Result<()> {
    // SAFETY: the tensor is alive; ggml copies as many bytes as it has.
    unsafe {
        check_size(tensor, bytes.len())?;
        sys::ggml_backend_tensor_set(tensor, bytes.as_ptr().cast(), 0, bytes.len());
    }
    Ok(())
}

/// Copies a tensor's values to `out`. Errors: as [`set`].
pub(super) fn get(tensor: Tensor, out: &mut [f32]) -> Result<()> {
    // SAFETY: as in `set`.
    unsafe {
        check_size(tensor, size_of_val(out))?;
        sys::ggml_backend_tensor_get(tensor, ptr::from_mut(out).cast(), 0, size_of_val(out));
    }
    Ok(())
}

/// # Safety
/// The tensor is alive.
unsafe fn check_size(tensor: Tensor, bytes: usize) -> Result<()> {
    // SAFETY: as the caller promises.
    let expected = unsafe { sys::ggml_nbytes(tensor) };
    if expected == bytes {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Backend, format!("{bytes} bytes for a tensor of {expected}: import the pack again")))
}

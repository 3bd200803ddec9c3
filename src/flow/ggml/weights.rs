//! The flow head's tensors on a device. In: `speech.gguf`. Out: the same bytes, where backends of the device compute,
//! and the one tensor that each head has for itself.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use llama_cpp_sys_2 as sys;
use syrinx_quant::GgufFile;
use syrinx_quant::shape::{Flow, Shape};

use super::{Context, Tensor};
use crate::error::{Error, ErrorKind, Result};
use crate::ggml::Device;

/// Tensors of a layer.
#[derive(Debug)]
pub(super) struct LayerTensors {
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

/// All tensors that the graphs of all heads share, and the memory that they lie in.
#[derive(Debug)]
pub(in super::super) struct GgmlWeights {
    pub(super) shape: Flow,
    pub(super) width: usize,
    pub(super) device: Device,
    /// Threads of a head's backend.
    pub(super) threads: usize,
    pub(super) input: Tensor,
    pub(super) time: Tensor,
    pub(super) condition: Tensor,
    pub(super) layers: Vec<LayerTensors>,
    pub(super) norm: Tensor,
    pub(super) output: Tensor,
    name: String,
    step_bytes: usize,
    condition_bytes: usize,
    _buffer: Buffer,
    _context: Context,
}

// SAFETY: the tensors live in `_context` and `_buffer`, which belong to this value and are bound to no thread: freeing
// them takes no more than that nobody uses them, and every graph that does is dropped before its head's `Arc` of this.
unsafe impl Send for GgmlWeights {}
// SAFETY: after `load` nobody writes a tensor, neither its data nor its description. The one operation of ours that would
// is making a graph: ggml names an operand that has no name yet, therefore `Loader::tensor` gives each one. To compute a
// graph reads the operands that no operation makes, and a graph's results have memory of their own.
unsafe impl Sync for GgmlWeights {}

impl GgmlWeights {
    /// Errors: `BadPack`, `OutOfMemory`, `Backend`.
    pub fn load(file: &Arc<GgufFile>, shape: &Shape, device: Device, threads: usize) -> Result<Self> {
        let (flow, width) = (&shape.flow, shape.audio.n_acoustic);
        let mut loader = Loader::new(file, 9 * flow.layers + 6)?;
        let (q, kv) = (flow.heads * flow.head_dim, flow.kv_heads * flow.head_dim);
        let input = loader.tensor("input_projection", &[flow.dim, width])?;
        let output = loader.tensor("acoustic_codebook_output", &[width, flow.dim])?;
        let norm = loader.tensor("norm", &[flow.dim])?;
        let mut layers = Vec::with_capacity(flow.layers);
        for i in 0..flow.layers {
            let mut part = |name: &str, shape: &[usize]| loader.tensor(&format!("layers.{i}.{name}"), shape);
            layers.push(LayerTensors {
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
        let buffer = loader.upload(device)?;
        Ok(Self {
            shape: flow.clone(),
            width,
            device,
            threads,
            input,
            time,
            condition,
            layers,
            norm,
            output,
            name: format!("ggml on {}", device.name()),
            step_bytes,
            condition_bytes,
            _buffer: buffer,
            _context: loader.context,
        })
    }

    /// Where heads compute, for people.
    pub fn name(&self) -> &str {
        &self.name
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

/// The conditioning tokens of one head, which its graphs write and read between them.
#[derive(Debug)]
pub(super) struct Conditions {
    /// Projected, `[2][dim]`: of this frame's state, and zeros.
    pub tensor: Tensor,
    _buffer: Buffer,
    _context: Context,
}

impl Conditions {
    /// Errors: `OutOfMemory`.
    pub fn new(weights: &GgmlWeights) -> Result<Self> {
        let context = Context::new(1)?;
        let dim = weights.shape.dim;
        // SAFETY: the context has room for this tensor.
        let tensor = unsafe { sys::ggml_new_tensor_2d(context.as_ptr(), sys::GGML_TYPE_F32, dim as i64, 2) };
        let buffer = Buffer::of(&context, weights.device, 2 * dim * size_of::<f32>())?;
        Ok(Self { tensor, _buffer: buffer, _context: context })
    }
}

/// Declares tensors first, so that one buffer can hold them all, and fills them then.
///
/// The names of the file stay there: some are as long as ggml allows, and nothing here looks a tensor up by its name. All
/// have the same one, so that ggml gives them none when a graph is made (see [`GgmlWeights`]).
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
            let tensor = match shape {
                [rows, _] => sys::ggml_new_tensor_2d(context, kind, columns, *rows as i64),
                _ => sys::ggml_new_tensor_1d(context, kind, columns),
            };
            sys::ggml_set_name(tensor, c"weight".as_ptr())
        };
        self.declared.push((name, tensor));
        self.bytes += view.bytes.len();
        Ok(tensor)
    }

    /// Allocates all tensors on the device and copies them there; the file's own pages are given back.
    /// Errors: `OutOfMemory`, `BadPack`.
    fn upload(&self, device: Device) -> Result<Buffer> {
        let buffer = Buffer::of(&self.context, device, self.bytes)?;
        // SAFETY: the buffer was just made.
        unsafe { sys::ggml_backend_buffer_set_usage(buffer.0.as_ptr(), sys::GGML_BACKEND_BUFFER_USAGE_WEIGHTS) }
        for (name, tensor) in &self.declared {
            let view = self.file.tensor(name)?;
            set(*tensor, view.bytes)?;
            self.file.map().release(self.file.info(name)?.range.clone());
        }
        Ok(buffer)
    }
}

/// Memory of a device. It belongs to the device, not to a backend, and outlives those that compute with it.
#[derive(Debug)]
struct Buffer(NonNull<sys::ggml_backend_buffer>);

impl Buffer {
    /// Memory for all tensors of a context, set to zero. Errors: `OutOfMemory`.
    fn of(context: &Context, device: Device, bytes: usize) -> Result<Self> {
        // SAFETY: the context is alive, and none of its tensors has memory yet; a device's buffer type lives as long as
        // the program.
        let raw = unsafe {
            let kind = sys::ggml_backend_dev_buffer_type(device.as_ptr());
            sys::ggml_backend_alloc_ctx_tensors_from_buft(context.as_ptr(), kind)
        };
        let buffer = NonNull::new(raw).map(Self).ok_or_else(|| {
            let message = format!("no memory for the flow head ({} MB) on {}", bytes >> 20, device.name());
            Error::new(ErrorKind::OutOfMemory, format!("{message}: choose a smaller recipe or --flow-engine native"))
        })?;
        // SAFETY: the buffer was just made.
        unsafe { sys::ggml_backend_buffer_clear(raw, 0) }
        Ok(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: made in `of`, freed once; graphs that use it are dropped before.
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

//! llama.cpp, and everything unsafe about it. In: rows of floats with positions. Out: slices of floats.
//!
//! A thin shim over the C interface (`llama-cpp-sys-2`, pinned: the safe binding takes tokens only). llama.cpp aborts
//! the process on misuse instead of reporting it, so every call here is preceded by the checks that make it proper. What its graphs
//! multiply and attend to is computed by kernels of ours where they fit (`kernel/extra.rs`).

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use super::Output;
use crate::error::{Error, ErrorKind, Result};
use crate::ggml::{self, Threads, pages};

/// Rows per call while a prompt is fed. Fixed, because a row's result depends on the shape of its batch.
pub(super) const BATCH: usize = 64;
/// The only sequence.
const SEQUENCE: sys::llama_seq_id = 0;

/// Type of the key/value cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvType {
    /// Exact, for comparison with a reference.
    F32,
    F16,
    /// Half of F16's size; the prefix loses a little.
    Q8_0,
}

impl KvType {
    /// Bytes of `width` values.
    pub fn row_bytes(self, width: usize) -> u64 {
        let width = width as u64;
        match self {
            Self::F32 => width * 4,
            Self::F16 => width * 2,
            Self::Q8_0 => width.div_ceil(32) * 34,
        }
    }

    fn ggml(self) -> sys::ggml_type {
        match self {
            Self::F32 => sys::GGML_TYPE_F32,
            Self::F16 => sys::GGML_TYPE_F16,
            Self::Q8_0 => sys::GGML_TYPE_Q8_0,
        }
    }
}

/// Asked between two operations whether what is being computed is still wanted; true stops it.
pub type Abort = Arc<dyn Fn() -> bool + Send + Sync>;

/// # Safety
/// `data` points to an [`Abort`] that lives and is not changed until llama.cpp asks no more.
unsafe extern "C" fn is_aborted(data: *mut std::ffi::c_void) -> bool {
    // SAFETY: as the caller promises.
    let abort = unsafe { &*data.cast::<Abort>() };
    let aborts = abort();
    if aborts {
        ggml::expect_failure(true); // the thread that asks is the one that reports
    }
    aborts
}

#[derive(Clone, Debug)]
pub struct LlamaOptions {
    /// Places of the cache.
    pub positions: usize,
    pub kv: KvType,
    pub threads: usize,
    /// Rows per call, at most [`BATCH`].
    pub batch: usize,
    /// Positions run on beyond `positions`; the caller forgets as many as there is no place for. A window of the model's
    /// own bounds its cache.
    pub endless: bool,
}

/// The instruction sets that llama.cpp was built for, and what it does with them: `AVX2 FMA REPACK`.
pub fn instruction_sets() -> String {
    // SAFETY: the function returns a static string.
    let info = unsafe { CStr::from_ptr(sys::llama_print_system_info()) }.to_string_lossy();
    let is_on = |item: &str| Some(item.rsplit(':').next()?.trim().strip_suffix("= 1")?.trim_end().to_owned());
    info.split('|').filter_map(is_on).collect::<Vec<_>>().join(" ")
}

unsafe extern "C" {
    /// `tensors.cpp`
    fn syrinx_model_tensor(model: *const sys::llama_model, name: *const std::ffi::c_char) -> *mut sys::ggml_tensor;
}

/// Weights. Immutable once loaded, but for [`Model::set_vectors`].
#[derive(Debug)]
pub(super) struct Model {
    raw: NonNull<sys::llama_model>,
    dim: usize,
    vocabulary: usize,
}

// SAFETY: llama.cpp does not change a model after loading, and documents sharing one between contexts.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

impl Model {
    pub fn load(path: &Path) -> Result<Self> {
        ggml::init()?;
        let refused = || {
            let message =
                format!("llama.cpp cannot load {}: import the pack again (RUST_LOG=warn says more)", path.display());
            Error::new(ErrorKind::Backend, message)
        };
        let c_path = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| refused())?;
        // SAFETY: default parameters, and a NUL-terminated path that outlives the call.
        let raw = unsafe {
            let mut params = sys::llama_model_default_params();
            // Read, not mapped: weights that are laid out anew for the processor would be in memory twice.
            params.load_mode = sys::LLAMA_LOAD_MODE_NONE;
            let raw = pages::huge(|| sys::llama_model_load_from_file(c_path.as_ptr(), params));
            NonNull::new(raw).ok_or_else(refused)?
        };
        // SAFETY: `raw` is a loaded model.
        let (dim, vocabulary) = unsafe {
            let vocab = sys::llama_model_get_vocab(raw.as_ptr());
            (sys::llama_model_n_embd(raw.as_ptr()), sys::llama_vocab_n_tokens(vocab))
        };
        Ok(Self { raw, dim: dim.max(0) as usize, vocabulary: vocabulary.max(0) as usize })
    }

    /// Writes vectors over those of the model. The caller sees to it that nothing computes with it meanwhile. Errors:
    /// `BadPack` for a tensor that is not there, or is no vector of that many values.
    pub(super) fn set_vectors(&self, vectors: &[(String, Vec<f32>)]) -> Result<()> {
        for (name, values) in vectors {
            let refused = || {
                let message = format!("the model has no vector {name} of {} values", values.len());
                Error::new(ErrorKind::BadPack, format!("{message}: import the pack again"))
            };
            let c_name = CString::new(name.as_str()).map_err(|_| refused())?;
            // SAFETY: the model is alive, and its tensors with it; the tensor is one of floats, as many as are written. No
            // graph reads it now: contexts that compute with what is written here hold `RowsWeights::in_place`, and wait for
            // the end of what they have begun.
            unsafe {
                let tensor = syrinx_model_tensor(self.raw.as_ptr(), c_name.as_ptr());
                let tensor = NonNull::new(tensor).ok_or_else(refused)?;
                let is_float = tensor.as_ref().type_ == sys::GGML_TYPE_F32;
                if !is_float || usize::try_from(sys::ggml_nelements(tensor.as_ptr())) != Ok(values.len()) {
                    return Err(refused());
                }
                sys::ggml_backend_tensor_set(
                    tensor.as_ptr(),
                    values.as_ptr().cast(),
                    0,
                    size_of_val(values.as_slice()),
                );
            }
        }
        Ok(())
    }

    /// Refuses the model of a file whose sizes are not those that `asker` expects. Errors: `BadPack`.
    pub fn expect(&self, file: &str, asker: &str, dim: usize, vocabulary: usize) -> Result<()> {
        if (self.dim, self.vocabulary) == (dim, vocabulary) {
            return Ok(());
        }
        let found = format!("{file} has width {} and {} output rows", self.dim, self.vocabulary);
        let message = format!("{found}, {asker} {dim} and {vocabulary}: import the pack again");
        Err(Error::new(ErrorKind::BadPack, message))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: loaded in `load`, freed once; contexts hold an `Arc`, so none is left.
        unsafe { sys::llama_model_free(self.raw.as_ptr()) }
    }
}

/// A key/value cache, compute buffers and the arrays that a batch points into.
pub(super) struct Context {
    raw: NonNull<sys::llama_context>,
    /// llama.cpp holds its address.
    abort: Box<Abort>,
    model: Arc<Model>,
    positions: usize,
    endless: bool,
    position: Vec<sys::llama_pos>,
    sequence_count: Vec<i32>,
    sequence: Vec<sys::llama_seq_id>,
    wants_output: Vec<i8>,
    /// Freed after the context.
    _threads: Option<Threads>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("positions", &self.positions).finish_non_exhaustive()
    }
}

// SAFETY: a context may move between threads as long as one uses it at a time, which `&mut self` ensures; what it calls
// back is `Send + Sync`.
unsafe impl Send for Context {}

impl Context {
    pub fn new(model: Arc<Model>, options: &LlamaOptions) -> Result<Self> {
        let failed =
            |what: &str| Error::new(ErrorKind::Backend, format!("llama.cpp refused {what} (RUST_LOG=warn says why)"));
        let threads = crate::kernel::allowed_threads(options.threads.max(1));
        let batch = options.batch.clamp(1, BATCH);
        // SAFETY: default parameters with plain values changed; the model outlives the context (`Arc`).
        let raw = unsafe {
            let mut params = sys::llama_context_default_params();
            params.n_ctx = u32::try_from(options.positions).map_err(|_| failed("the context size"))?;
            params.n_batch = batch as u32;
            params.n_ubatch = batch as u32;
            params.n_seq_max = 1;
            params.n_threads = threads as i32;
            params.n_threads_batch = threads as i32;
            params.type_k = options.kv.ggml();
            params.type_v = options.kv.ggml();
            params.flash_attn_type = match options.kv {
                KvType::F32 => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
                KvType::F16 | KvType::Q8_0 => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            };
            params.embeddings = true;
            params.pooling_type = sys::LLAMA_POOLING_TYPE_NONE;
            if options.endless {
                params.swa_full = false;
                params.kv_unified = true;
            }
            NonNull::new(sys::llama_init_from_model(model.raw.as_ptr(), params)).ok_or_else(|| failed("the context"))?
        };
        let pool = (threads > 1).then(|| Threads::new(threads)).flatten();
        if let Some(pool) = &pool {
            // SAFETY: both are alive; the pool is freed after the context.
            unsafe { sys::llama_attach_threadpool(raw.as_ptr(), pool.as_ptr(), ptr::null_mut()) }
        }
        Ok(Self {
            raw,
            abort: Box::new(Arc::new(|| false)),
            model,
            positions: options.positions,
            endless: options.endless,
            position: vec![0; batch],
            sequence_count: vec![1; batch],
            sequence: vec![SEQUENCE; batch],
            wants_output: vec![0; batch],
            _threads: pool,
        })
    }

    /// What stops a computation in its midst, on the processor; elsewhere a piece of a prompt is the least.
    pub fn set_abort(&mut self, abort: Abort) {
        *self.abort = abort;
        let data = ptr::from_mut::<Abort>(&mut self.abort).cast();
        // SAFETY: the context is alive and computes nothing now; `abort` is boxed, so it stays where it is until the
        // context is freed, and it is changed only here, where nothing is computed.
        unsafe { sys::llama_set_abort_callback(self.raw.as_ptr(), Some(is_aborted), data) }
    }

    /// Forgets all positions from `keep` on. Errors: `Backend`.
    pub fn rewind(&mut self, keep: usize) -> Result<()> {
        // SAFETY: the context is alive; a range beyond the end is allowed.
        let done = unsafe {
            let memory = sys::llama_get_memory(self.raw.as_ptr());
            sys::llama_memory_seq_rm(memory, SEQUENCE, keep as sys::llama_pos, -1)
        };
        if done { Ok(()) } else { Err(Error::new(ErrorKind::Backend, "llama.cpp cannot rewind its cache")) }
    }

    /// Forgets all positions before `first`. Errors: `Backend`.
    pub fn forget_before(&mut self, first: usize) -> Result<()> {
        // SAFETY: the context is alive; positions that are not there are passed over.
        let done = unsafe {
            let memory = sys::llama_get_memory(self.raw.as_ptr());
            sys::llama_memory_seq_rm(memory, SEQUENCE, 0, first as sys::llama_pos)
        };
        if done { Ok(()) } else { Err(Error::new(ErrorKind::Backend, "llama.cpp cannot forget what left the window")) }
    }

    /// Forgets everything; the next row takes the first place of the cache again.
    pub fn clear(&mut self) {
        // SAFETY: the context is alive.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.raw.as_ptr()), false) }
    }

    /// Waits for the end of what was begun.
    pub fn wait(&mut self) {
        // SAFETY: the context is alive.
        unsafe { sys::llama_synchronize(self.raw.as_ptr()) }
    }

    /// Feeds rows (`[n][dim]`) from position `first` on, without outputs. Errors: `Backend`.
    pub fn feed(&mut self, rows: &[f32], first: usize) -> Result<()> {
        // SAFETY: the context is alive.
        unsafe { sys::llama_set_embeddings(self.raw.as_ptr(), false) }
        let mut at = first;
        for part in rows.chunks(self.position.len() * self.model.dim) {
            self.decode(part, at)?;
            at += part.len() / self.model.dim;
        }
        Ok(())
    }

    /// Feeds rows, as many as are fed at a time, and keeps the state and logits of each. Errors: `Backend`.
    pub fn feed_with_outputs(&mut self, rows: &[f32], at: usize) -> Result<()> {
        // SAFETY: the context is alive.
        unsafe { sys::llama_set_embeddings(self.raw.as_ptr(), true) }
        let count = rows.len() / self.model.dim;
        self.wants_output.iter_mut().take(count).for_each(|wants| *wants = 1);
        let result = self.decode(rows, at);
        self.wants_output.fill(0);
        result
    }

    fn decode(&mut self, rows: &[f32], first: usize) -> Result<()> {
        let count = rows.len() / self.model.dim;
        let whole = rows.len() == count * self.model.dim && (1..=self.position.len()).contains(&count);
        if !whole || (first + count > self.positions && !self.endless) {
            return Err(Error::new(ErrorKind::Backend, format!("{count} rows at position {first} do not fit")));
        }
        for (i, position) in self.position.iter_mut().take(count).enumerate() {
            *position = (first + i) as sys::llama_pos;
        }
        let sequence = self.sequence.as_mut_ptr();
        let mut sequences = [sequence; BATCH];
        let batch = sys::llama_batch {
            n_tokens: count as i32,
            token: ptr::null_mut(),
            embd: rows.as_ptr().cast_mut(), // only read
            pos: self.position.as_mut_ptr(),
            n_seq_id: self.sequence_count.as_mut_ptr(),
            seq_id: sequences.as_mut_ptr(),
            logits: self.wants_output.as_mut_ptr(),
        };
        // SAFETY: every array has at least `n_tokens` entries (`count` and `rows` checked above) and lives until
        // the call returns, which copies them; every row's one sequence id is SEQUENCE.
        let code = unsafe { sys::llama_decode(self.raw.as_ptr(), batch) };
        ggml::expect_failure(false);
        match code {
            0 => Ok(()),
            2 => Err(Error::new(ErrorKind::Cancelled, "the prompt was aborted, as asked for")),
            1 => Err(Error::new(ErrorKind::OutOfBudget, "llama.cpp found no room in its cache: raise --context")),
            _ => Err(Error::new(ErrorKind::Backend, format!("llama.cpp failed to compute (code {code})"))),
        }
    }

    /// State and logits of the row fed last. Errors: `Backend`.
    pub fn output(&mut self) -> Result<Output<'_>> {
        self.output_at(-1)
    }

    /// State and logits of row `row` of those fed last. Errors: `Backend`.
    pub fn output_of(&mut self, row: usize) -> Result<Output<'_>> {
        self.output_at(i32::try_from(row).unwrap_or(i32::MAX))
    }

    fn output_at(&mut self, row: i32) -> Result<Output<'_>> {
        // SAFETY: the pointers are into the context's output buffer, of one row each; it is not written again before
        // the next call that takes `&mut self`, which the returned borrow excludes. llama.cpp gives none for a row that it
        // has no output of.
        unsafe {
            let hidden = sys::llama_get_embeddings_ith(self.raw.as_ptr(), row);
            let logits = sys::llama_get_logits_ith(self.raw.as_ptr(), row);
            if hidden.is_null() || logits.is_null() {
                return Err(Error::new(ErrorKind::Backend, "llama.cpp gave no output for a row"));
            }
            Ok(Output {
                hidden: std::slice::from_raw_parts(hidden, self.model.dim),
                logits: std::slice::from_raw_parts(logits, self.model.vocabulary),
            })
        }
    }

    /// Keys and values of all positions, for [`Context::restore`].
    pub fn state(&mut self) -> Option<Vec<u8>> {
        // SAFETY: the buffer has the size that the context asks for.
        unsafe {
            let size = sys::llama_state_seq_get_size(self.raw.as_ptr(), SEQUENCE);
            let mut state = vec![0; size];
            let written = sys::llama_state_seq_get_data(self.raw.as_ptr(), state.as_mut_ptr(), size, SEQUENCE);
            (written > 0 && written == size).then_some(state)
        }
    }

    /// Puts a state of `rows` positions in place of everything. False where it does not fit; the cache is then to be
    /// rewound and computed.
    pub fn restore(&mut self, state: &[u8], rows: usize) -> bool {
        // SAFETY: the state's digest was checked, so it is what this version of llama.cpp wrote for the same pack and
        // cache type; llama.cpp reads at most the given length.
        unsafe {
            let read = sys::llama_state_seq_set_data(self.raw.as_ptr(), state.as_ptr(), state.len(), SEQUENCE);
            let memory = sys::llama_get_memory(self.raw.as_ptr());
            let last = sys::llama_memory_seq_pos_max(memory, SEQUENCE);
            read == state.len() && last + 1 == rows as sys::llama_pos
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once, before the thread pool and the model.
        unsafe { sys::llama_free(self.raw.as_ptr()) }
    }
}

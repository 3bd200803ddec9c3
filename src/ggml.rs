//! What the backbone and the flow head share of ggml. In: a device and a number of threads. Out: a backend that computes
//! graphs; ggml's messages as log records.
//!
//! llama.cpp makes a backend of its own for the same device: two users of one GPU, or of one processor with threads for
//! each.

#![allow(unsafe_code)]

pub(crate) mod pages;

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use llama_cpp_sys_2 as sys;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel;

/// Prepares ggml and llama.cpp, and puts our kernels into it. Needed before any other call; further calls do nothing.
///
/// Errors: `Unsupported` where the processor lacks instructions that this build of llama.cpp uses.
pub(crate) fn init() -> Result<()> {
    kernels().map(|_| ())
}

/// The set of our kernels that llama.cpp computes with on the processor, or `ggml` where it does with its own.
/// Errors: as [`init`].
pub(crate) fn kernels() -> Result<&'static str> {
    static KERNELS: OnceLock<&str> = OnceLock::new();
    check_processor()?;
    Ok(KERNELS.get_or_init(|| {
        // SAFETY: called once, before any other call of ours; the log function is thread-safe and takes no data. Who computes
        // graphs of ggml's without us in this process has to wait for the first of our calls, as the crate's documentation says.
        let name = unsafe {
            sys::llama_log_set(Some(log_line), ptr::null_mut());
            sys::llama_backend_init();
            pages::watch();
            kernel::register()
        };
        if cfg!(any(feature = "cuda", feature = "vulkan")) && Device::first_gpu().is_none() {
            log::warn!("this build is for a GPU, but ggml finds none: all runs on the processor");
        }
        name
    }))
}

/// llama.cpp's instruction sets are chosen when it is built. Without them it would end in an illegal instruction.
fn check_processor() -> Result<()> {
    match instruction_sets().iter().find(|(_, built, present)| *built && !present) {
        None => Ok(()),
        Some((name, ..)) => {
            let message = format!("this build of llama.cpp needs {name}, which this processor lacks");
            Err(Error::new(ErrorKind::Unsupported, format!("{message}: build Syrinx for it")))
        }
    }
}

/// Name, whether this build of llama.cpp uses it, whether this processor has it.
#[cfg(target_arch = "x86_64")]
fn instruction_sets() -> [(&'static str, bool, bool); 9] {
    // SAFETY: these functions return constants of the build.
    unsafe {
        [
            ("AVX2", sys::ggml_cpu_has_avx2() != 0, is_x86_feature_detected!("avx2")),
            ("FMA", sys::ggml_cpu_has_fma() != 0, is_x86_feature_detected!("fma")),
            ("F16C", sys::ggml_cpu_has_f16c() != 0, is_x86_feature_detected!("f16c")),
            ("BMI2", sys::ggml_cpu_has_bmi2() != 0, is_x86_feature_detected!("bmi2")),
            ("AVX-VNNI", sys::ggml_cpu_has_avx_vnni() != 0, is_x86_feature_detected!("avxvnni")),
            ("AVX-512", sys::ggml_cpu_has_avx512() != 0, has_avx512()),
            ("AVX-512 VBMI", sys::ggml_cpu_has_avx512_vbmi() != 0, is_x86_feature_detected!("avx512vbmi")),
            ("AVX-512 VNNI", sys::ggml_cpu_has_avx512_vnni() != 0, is_x86_feature_detected!("avx512vnni")),
            ("AVX-512 BF16", sys::ggml_cpu_has_avx512_bf16() != 0, is_x86_feature_detected!("avx512bf16")),
        ]
    }
}

/// What ggml means by AVX-512.
#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
}

/// As on x86.
#[cfg(target_arch = "aarch64")]
fn instruction_sets() -> [(&'static str, bool, bool); 4] {
    use std::arch::is_aarch64_feature_detected as has;
    // SAFETY: these functions return constants of the build.
    unsafe {
        [
            ("dotprod", sys::ggml_cpu_has_dotprod() != 0, has!("dotprod")),
            ("fp16", sys::ggml_cpu_has_fp16_va() != 0, has!("fp16")),
            ("i8mm", sys::ggml_cpu_has_matmul_int8() != 0, has!("i8mm")),
            ("SVE", sys::ggml_cpu_has_sve() != 0, has!("sve")),
        ]
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instruction_sets() -> [(&'static str, bool, bool); 0] {
    []
}

/// What computes: the processor, or a GPU that this build has a backend for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    raw: NonNull<sys::ggml_backend_device>,
    is_gpu: bool,
}

// SAFETY: a device is part of ggml's registry, which lives as long as the program; `init` fills it, and what is asked of a
// device here (its name, its buffer type, a new backend) ggml answers to any thread.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

impl Device {
    /// The GPU that llama.cpp puts its weights on: the first, an integrated one where there is no other.
    /// Errors: as [`init`].
    pub fn gpu() -> Result<Option<Self>> {
        init()?;
        Ok(Self::first_gpu())
    }

    fn first_gpu() -> Option<Self> {
        let raw =
            [sys::GGML_BACKEND_DEVICE_TYPE_GPU, sys::GGML_BACKEND_DEVICE_TYPE_IGPU].into_iter().find_map(|kind| {
                // SAFETY: looks into ggml's registry, which lives as long as the program.
                NonNull::new(unsafe { sys::ggml_backend_dev_by_type(kind) })
            })?;
        Some(Self { raw, is_gpu: true })
    }

    /// Errors: `Backend`, where ggml was built without it.
    pub fn processor() -> Result<Self> {
        // SAFETY: as above.
        let raw = unsafe { sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU) };
        let raw = NonNull::new(raw).ok_or_else(|| Error::new(ErrorKind::Backend, "ggml has no CPU backend"))?;
        Ok(Self { raw, is_gpu: false })
    }

    /// For calls that allocate on the device.
    pub fn as_ptr(self) -> sys::ggml_backend_dev_t {
        self.raw.as_ptr()
    }

    /// ggml's name, and what it says of it: `CUDA0 (Orin)`.
    pub fn name(self) -> String {
        // SAFETY: both return strings of the device, which lives as long as the program.
        let [name, about] = unsafe {
            [sys::ggml_backend_dev_name(self.raw.as_ptr()), sys::ggml_backend_dev_description(self.raw.as_ptr())]
                .map(|text| CStr::from_ptr(text).to_string_lossy())
        };
        format!("{name} ({about})")
    }
}

/// ggml's threads, kept alive between calls: starting them anew for each frame costs more than some frames.
#[derive(Debug)]
pub(crate) struct Threads(NonNull<sys::ggml_threadpool>);

impl Threads {
    pub fn new(threads: usize) -> Option<Self> {
        // SAFETY: parameters from the default constructor; the pool is copied from them during the call.
        unsafe {
            let mut params = sys::ggml_threadpool_params_default(i32::try_from(threads).ok()?);
            // By default they spin for some 100 ms after each graph, on the cores that the kernels' threads want.
            params.poll = 0;
            NonNull::new(sys::ggml_threadpool_new(&mut params)).map(Self)
        }
    }

    /// For calls that use the pool while it is borrowed or kept.
    pub fn as_ptr(&self) -> *mut sys::ggml_threadpool {
        self.0.as_ptr()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once; who uses it is dropped first.
        unsafe { sys::ggml_threadpool_free(self.0.as_ptr()) }
    }
}

/// A device that is ready to compute.
#[derive(Debug)]
pub(crate) struct Backend {
    raw: NonNull<sys::ggml_backend>,
    device: Device,
    /// Freed after the backend.
    _threads: Option<Threads>,
}

// SAFETY: a backend may move between threads as long as one uses it at a time, which `&mut self` of `compute` ensures;
// its other calls only read it.
unsafe impl Send for Backend {}

impl Backend {
    /// `threads` matter on the processor alone. Errors: `Backend`.
    pub fn open(device: Device, threads: usize) -> Result<Self> {
        // SAFETY: the device is of ggml's registry; no parameters.
        let raw = unsafe { sys::ggml_backend_dev_init(device.raw.as_ptr(), ptr::null()) };
        let raw = NonNull::new(raw).ok_or_else(|| {
            let message = format!("ggml cannot use {}: see the log (RUST_LOG=warn)", device.name());
            Error::new(ErrorKind::Backend, message)
        })?;
        let mut pool = None;
        if !device.is_gpu {
            pool = (threads > 1).then(|| Threads::new(threads)).flatten();
            // SAFETY: the backend is the processor's, as these calls ask for; the pool is freed after it.
            unsafe {
                sys::ggml_backend_cpu_set_n_threads(raw.as_ptr(), i32::try_from(threads).unwrap_or(1).max(1));
                if let Some(pool) = &pool {
                    sys::ggml_backend_cpu_set_threadpool(raw.as_ptr(), pool.as_ptr());
                }
            }
        }
        Ok(Self { raw, device, _threads: pool })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// For calls that allocate on the backend while it is borrowed.
    pub fn as_ptr(&self) -> sys::ggml_backend_t {
        self.raw.as_ptr()
    }

    /// Computes a graph and waits for it. Errors: `Backend`.
    ///
    /// # Safety
    /// The graph is alive, and all its tensors are allocated on this backend.
    pub unsafe fn compute(&mut self, graph: *mut sys::ggml_cgraph) -> Result<()> {
        // SAFETY: as the caller promises.
        let status = unsafe { sys::ggml_backend_graph_compute(self.raw.as_ptr(), graph) };
        if status == sys::GGML_STATUS_SUCCESS {
            return Ok(());
        }
        let message = format!("{} failed to compute (status {status}): see the log", self.device.name());
        Err(Error::new(ErrorKind::Backend, message))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // SAFETY: made in `open`, freed once, before its threads.
        unsafe { sys::ggml_backend_free(self.raw.as_ptr()) }
    }
}

thread_local! {
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What ggml says of a failure on this thread is no error from here on, or is again: somebody wants it to stop.
pub(crate) fn expect_failure(expected: bool) {
    IS_EXPECTED.set(expected);
}

/// ggml's and llama.cpp's messages, as log records.
///
/// # Safety
/// `text` is a NUL-terminated string, as llama.cpp passes it.
unsafe extern "C" fn log_line(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    // SAFETY: see above; the text is not kept.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim_end();
    let level = match level {
        sys::GGML_LOG_LEVEL_ERROR if IS_EXPECTED.get() => log::Level::Debug,
        sys::GGML_LOG_LEVEL_ERROR => log::Level::Error,
        sys::GGML_LOG_LEVEL_WARN => log::Level::Debug, // llama.cpp warns of what we do on purpose
        _ => log::Level::Trace,
    };
    if !text.is_empty() {
        log::log!(target: "llama.cpp", level, "{text}");
    }
}

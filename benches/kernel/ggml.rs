//! The same products by ggml, as llama.cpp would run them: Q4_0 repacked for the processor, threads of its own.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use llama_cpp_sys_2 as sys;
use syrinx::lab::kernel::Pages;
use syrinx_quant::{DType, GgufFile};

/// A graph of products that do not depend on each other.
pub struct Products {
    backend: sys::ggml_backend_t,
    pool: *mut sys::ggml_threadpool,
    graph: *mut sys::ggml_cgraph,
    allocator: sys::ggml_gallocr_t,
    buffers: Vec<sys::ggml_backend_buffer_t>,
    contexts: Vec<*mut sys::ggml_context>,
}

/// How products are computed.
#[derive(Clone, Copy)]
pub struct How {
    /// Columns.
    pub count: usize,
    pub threads: usize,
    /// Of the weights.
    pub pages: Pages,
    /// By ggml's own kernels, wherever ours stand in for them.
    pub reference: bool,
}

/// What ggml says of its build.
pub fn system() -> String {
    // SAFETY: the function returns a static string.
    unsafe { CStr::from_ptr(sys::llama_print_system_info()) }.to_string_lossy().into_owned()
}

/// ggml's messages, one for each tensor that it lays out, would stand between the rows of the table.
unsafe extern "C" fn unheard(_: sys::ggml_log_level, _: *const c_char, _: *mut c_void) {}

impl Products {
    /// One product for each shape (rows, columns), of tensor `w<i>` of the file with some columns.
    pub fn new(dtype: DType, shapes: &[(usize, usize)], file: &GgufFile, how: How) -> Self {
        let count = how.count;
        let threads = i32::try_from(how.threads).expect("few threads");
        // SAFETY: ggml's interface as its header asks for it: contexts without data, tensors allocated before they are
        // set, sizes of ggml's own tensors. Everything lives until `drop`.
        unsafe {
            sys::ggml_log_set(Some(unheard), ptr::null_mut());
            let backend = sys::ggml_backend_cpu_init();
            let mut params = sys::ggml_threadpool_params_default(threads);
            let pool = sys::ggml_threadpool_new(&mut params);
            sys::ggml_backend_cpu_set_n_threads(backend, threads);
            sys::ggml_backend_cpu_set_threadpool(backend, pool);
            sys::ggml_backend_cpu_set_use_ref(backend, how.reference);
            let context = || {
                let room = shapes.len() + 8;
                let overhead = sys::ggml_tensor_overhead() * room + sys::ggml_graph_overhead_custom(room, false);
                let params = sys::ggml_init_params { mem_size: overhead, mem_buffer: ptr::null_mut(), no_alloc: true };
                sys::ggml_init(params)
            };
            let (weights, inputs, results) = (context(), context(), context());
            let own = sys::ggml_backend_get_default_buffer_type(backend);
            let repacked = matches!(dtype, DType::Q4_0 | DType::Q4K).then(repacked_buffers).flatten().unwrap_or(own);
            let kind = dtype.ggml_id() as sys::ggml_type;
            let tensor = |context, kind, rows: usize, columns: usize| {
                sys::ggml_new_tensor_2d(context, kind, columns as i64, rows as i64)
            };
            let w: Vec<_> = shapes.iter().map(|&(rows, columns)| tensor(weights, kind, rows, columns)).collect();
            let x: Vec<_> =
                shapes.iter().map(|&(_, columns)| tensor(inputs, sys::GGML_TYPE_F32, count, columns)).collect();
            let buffers = vec![
                sys::ggml_backend_alloc_ctx_tensors_from_buft(weights, repacked),
                sys::ggml_backend_alloc_ctx_tensors_from_buft(inputs, own),
            ];
            assert!(buffers.iter().all(|b| !b.is_null()), "no memory for ggml's weights");
            if how.pages == Pages::Huge {
                use_huge_pages(buffers[0]);
            }
            let graph = sys::ggml_new_graph_custom(results, shapes.len() + 8, false);
            for (i, (&w, &x)) in w.iter().zip(&x).enumerate() {
                let bytes = file.tensor(&format!("w{i}")).expect("a matrix of the file").bytes;
                sys::ggml_backend_tensor_set(w, bytes.as_ptr().cast(), 0, bytes.len());
                let values: Vec<f32> = (0..count * shapes[i].1).map(|i| (i % 61) as f32 / 30.0 - 1.0).collect();
                sys::ggml_backend_tensor_set(x, values.as_ptr().cast(), 0, values.len() * 4);
                sys::ggml_build_forward_expand(graph, sys::ggml_mul_mat(results, w, x));
            }
            let allocator = sys::ggml_gallocr_new(own);
            assert!(sys::ggml_gallocr_alloc_graph(allocator, graph), "no memory for ggml's results");
            sys::ggml_threadpool_pause(pool);
            Self { backend, pool, graph, allocator, buffers, contexts: vec![weights, inputs, results] }
        }
    }

    /// All products once. Outside, ggml's threads sleep: awake they would take the cores from whoever is measured next.
    pub fn run(&mut self) {
        // SAFETY: the graph was allocated in `new`.
        unsafe {
            sys::ggml_threadpool_resume(self.pool);
            assert_eq!(sys::ggml_backend_graph_compute(self.backend, self.graph), sys::GGML_STATUS_SUCCESS);
            sys::ggml_threadpool_pause(self.pool);
        }
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        // SAFETY: each is freed once, users before what they use.
        unsafe {
            sys::ggml_gallocr_free(self.allocator);
            self.buffers.iter().for_each(|&b| sys::ggml_backend_buffer_free(b));
            self.contexts.iter().for_each(|&c| sys::ggml_free(c));
            sys::ggml_backend_free(self.backend);
            sys::ggml_threadpool_free(self.pool);
        }
    }
}

/// # Safety
/// The buffer is one of the processor's.
#[cfg(target_os = "linux")]
unsafe fn use_huge_pages(buffer: sys::ggml_backend_buffer_t) {
    // SAFETY: the advice changes how pages are made, never what is in them; where it is refused the pages stay small.
    unsafe {
        let base = sys::ggml_backend_buffer_get_base(buffer) as usize;
        let start = base.next_multiple_of(4096);
        let bytes = base + sys::ggml_backend_buffer_get_size(buffer) - start;
        libc::madvise(start as *mut c_void, bytes, libc::MADV_HUGEPAGE);
    }
}

/// # Safety
/// As above.
#[cfg(not(target_os = "linux"))]
unsafe fn use_huge_pages(_: sys::ggml_backend_buffer_t) {}

/// Where ggml puts weights that it lays out anew, if this build does.
fn repacked_buffers() -> Option<sys::ggml_backend_buffer_type_t> {
    // SAFETY: ggml's registry lives as long as the program; the function has the type that ggml documents for that name,
    // and returns a list that ends with null.
    unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        let registry = sys::ggml_backend_dev_backend_reg(device);
        let function = sys::ggml_backend_reg_get_proc_address(registry, c"ggml_backend_dev_get_extra_bufts".as_ptr());
        if function.is_null() {
            return None;
        }
        type List = extern "C" fn(sys::ggml_backend_dev_t) -> *mut sys::ggml_backend_buffer_type_t;
        let mut next = std::mem::transmute::<*mut std::ffi::c_void, List>(function)(device);
        while !next.is_null() && !(*next).is_null() {
            if CStr::from_ptr(sys::ggml_backend_buft_name(*next)).to_string_lossy().contains("REPACK") {
                return Some(*next);
            }
            next = next.add(1);
        }
        None
    }
}

//! Where ggml's CPU backend may keep weights. Out: its further buffer types.

#![allow(unsafe_code)]

use std::ffi::c_void;

use llama_cpp_sys_2 as sys;

/// The processor's further buffer types, in the order in which llama.cpp tries them.
pub(crate) fn extra_buffer_types() -> Vec<sys::ggml_backend_buffer_type_t> {
    type Get = unsafe extern "C" fn(sys::ggml_backend_dev_t) -> *mut sys::ggml_backend_buffer_type_t;
    // SAFETY: ggml's registry lives as long as the program; the name is that of a function of this type
    // (ggml-backend.h: `ggml_backend_dev_get_extra_bufts_t`), whose list ends with a null pointer.
    unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        if device.is_null() {
            return Vec::new();
        }
        let registry = sys::ggml_backend_dev_backend_reg(device);
        let found = sys::ggml_backend_reg_get_proc_address(registry, c"ggml_backend_dev_get_extra_bufts".as_ptr());
        if found.is_null() {
            return Vec::new();
        }
        let get = std::mem::transmute::<*mut c_void, Get>(found);
        let mut at = get(device);
        let mut types = Vec::new();
        while !at.is_null() && !(*at).is_null() {
            types.push(*at);
            at = at.add(1);
        }
        types
    }
}

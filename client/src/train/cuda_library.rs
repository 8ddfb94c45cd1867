//! Opens libtorch's CUDA part. The client is linked to the CPU part alone, so one binary serves both: whoever wants
//! the GPU loads `libtorch_cuda.so` before anything else of libtorch runs, and it registers itself there.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::sync::OnceLock;

/// Loads the library once for the process; the answer stays.
///
/// # Errors
/// The dynamic linker's reason.
pub(super) fn open() -> Result<(), String> {
    static OPENED: OnceLock<Result<(), String>> = OnceLock::new();
    OPENED.get_or_init(load).clone()
}

fn load() -> Result<(), String> {
    // SAFETY: the name is a C string that lives for ever. Loading runs the initialisers of libtorch_cuda and of what
    // it needs, which belong to the same release as the libtorch_cpu that is loaded already. The handle is never
    // closed, so nothing that they registered can dangle.
    let handle = unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !handle.is_null() {
        return Ok(());
    }
    // SAFETY: dlerror gives null or a C string that stays valid until this thread's next call of a dl function, and
    // it is copied before that.
    let reason = unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            None
        } else {
            Some(CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    };
    Err(reason.unwrap_or_else(|| "the dynamic linker gave no reason".to_owned()))
}

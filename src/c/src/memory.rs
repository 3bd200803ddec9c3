//! What crosses the border: pointers, texts, structs with their sizes. In: what a C caller gives. Out: references and
//! values that are checked as far as they can be.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use super::status::Failure;

/// A struct larger than this is none.
const MOST_BYTES: usize = 4096;

/// A struct that begins with its size, in which every pattern of bits is a value and 0 means nothing special.
///
/// # Safety
/// `repr(C)`, its first member is a `usize`; integers, floats, pointers and arrays of them alone; no padding.
pub unsafe trait Struct: Copy {}

pub fn null(what: &str) -> Failure {
    Failure::Argument(format!("{what} is NULL"))
}

/// A handle.
///
/// # Safety
/// `handle` is NULL or one that was given out and not freed.
pub unsafe fn handle<'a, T>(handle: *const T, what: &str) -> Result<&'a T, Failure> {
    // SAFETY: required of the caller.
    unsafe { handle.as_ref() }.ok_or_else(|| null(what))
}

/// Where a handle is to go.
///
/// # Safety
/// `out` is NULL or may be written.
pub unsafe fn place<'a, T>(out: *mut *mut T) -> Result<&'a mut *mut T, Failure> {
    // SAFETY: required of the caller.
    unsafe { out.as_mut() }.ok_or_else(|| null("out"))
}

/// Gives a handle out.
pub fn give<T>(out: &mut *mut T, value: T) {
    *out = Box::into_raw(Box::new(value));
}

/// Takes a handle back.
///
/// # Safety
/// `handle` is NULL or one that was given out by [`give`] and not freed.
pub unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: required of the caller. What its end may panic with is ended here.
        super::status::guard(|| {
            drop(unsafe { Box::from_raw(handle) });
            Ok(super::status::OK)
        });
    }
}

/// A text of a known length, or with a NUL behind it.
///
/// # Safety
/// `text` is NULL, or as long as `length` says.
pub unsafe fn text<'a>(text: *const c_char, length: usize) -> Result<&'a str, Failure> {
    if text.is_null() {
        return if length == 0 { Ok("") } else { Err(null("text")) };
    }
    let bytes = match length {
        // SAFETY: required of the caller.
        usize::MAX => unsafe { CStr::from_ptr(text) }.to_bytes(),
        // SAFETY: as above.
        _ => unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) },
    };
    std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        Failure::Argument(format!("the text is not UTF-8 from byte {at} on: give whole characters of UTF-8"))
    })
}

/// A name with a NUL behind it; `None` for NULL.
///
/// # Safety
/// `name` is NULL or ends with a NUL.
pub unsafe fn name<'a>(name: *const c_char) -> Result<Option<&'a str>, Failure> {
    // SAFETY: required of the caller.
    if name.is_null() { Ok(None) } else { unsafe { text(name, usize::MAX) }.map(Some) }
}

/// Samples to be written.
///
/// # Safety
/// `pcm` is NULL or has room for `capacity` samples.
pub unsafe fn samples<'a, T>(pcm: *mut T, capacity: usize, needed: usize) -> Result<&'a mut [T], Failure> {
    if pcm.is_null() {
        return Err(null("pcm"));
    }
    if capacity < needed {
        let message = format!("a block has {needed} samples, and there is room for {capacity}: give a larger buffer");
        return Err(Failure::Argument(message));
    }
    // SAFETY: required of the caller; no more than there is room for.
    Ok(unsafe { std::slice::from_raw_parts_mut(pcm, needed) })
}

/// Samples to be read.
///
/// # Safety
/// `pcm` is NULL or has `count` samples.
pub unsafe fn sound<'a, T>(pcm: *const T, count: usize) -> Result<&'a [T], Failure> {
    match (pcm.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(null("pcm")),
        _ if count > isize::MAX as usize / size_of::<T>() => {
            Err(Failure::Argument(format!("there are no {count} samples: give the number of samples")))
        }
        // SAFETY: required of the caller.
        _ => Ok(unsafe { std::slice::from_raw_parts(pcm, count) }),
    }
}

/// The size that a struct says it has.
unsafe fn size_of_given<T>(given: *const T) -> Result<usize, Failure> {
    // SAFETY: the first member, as the trait says; the caller's struct has at least that.
    let size = unsafe { given.cast::<usize>().read() };
    match size {
        size if size < size_of::<usize>() || size > MOST_BYTES => {
            Err(Failure::Argument(format!("struct_size is {size}: set it to the size of the struct")))
        }
        size => Ok(size),
    }
}

/// Options as the caller has them; what it does not know is zero, as is everything for NULL.
///
/// # Safety
/// `given` is NULL or as large as its first member says.
pub unsafe fn read<T: Struct>(given: *const T) -> Result<T, Failure> {
    let mut value = MaybeUninit::<T>::zeroed();
    if !given.is_null() {
        // SAFETY: required of the caller.
        let size = unsafe { size_of_given(given) }?;
        let known = size.min(size_of::<T>());
        // SAFETY: `known` bytes are there on both sides.
        unsafe { ptr::copy_nonoverlapping(given.cast::<u8>(), value.as_mut_ptr().cast(), known) };
        // SAFETY: the caller's struct has `size` bytes.
        let unknown = unsafe { std::slice::from_raw_parts(given.cast::<u8>().add(known), size - known) };
        if unknown.iter().any(|&byte| byte != 0) {
            let message = "options ask for what this libsyrinx does not know: update it, or leave them zero";
            return Err(Failure::Argument(message.to_owned()));
        }
    }
    // SAFETY: zeros, and what the caller gave: any bits are a value.
    Ok(unsafe { value.assume_init() })
}

/// Answers in a struct of the caller's, as much of it as the caller knows. Its size stays as it is.
///
/// # Safety
/// `out` is NULL or as large as its first member says.
pub unsafe fn write<T: Struct>(out: *mut T, value: &T) -> Result<(), Failure> {
    if out.is_null() {
        return Err(null("the struct for the answer"));
    }
    // SAFETY: required of the caller.
    let size = unsafe { size_of_given(out) }?;
    let (first, known) = (size_of::<usize>(), size.min(size_of::<T>()));
    // SAFETY: `known` bytes are there on both sides, and the first member is among them.
    unsafe {
        let from = ptr::from_ref(value).cast::<u8>().add(first);
        ptr::copy_nonoverlapping(from, out.cast::<u8>().add(first), known - first);
        ptr::write_bytes(out.cast::<u8>().add(known), 0, size - known);
    }
    Ok(())
}

/// Whether a struct may be answered in, if it is there: asked before anything is done, so that nothing is done in vain.
///
/// # Safety
/// `out` is NULL or as large as its first member says.
pub unsafe fn check<T: Struct>(out: *const T) -> Result<(), Failure> {
    // SAFETY: required of the caller.
    if out.is_null() { Ok(()) } else { unsafe { size_of_given(out) }.map(drop) }
}

/// Answers with a number, where it is wanted.
///
/// # Safety
/// `out` is NULL or may be written.
pub unsafe fn put<T>(out: *mut T, value: T) {
    // SAFETY: required of the caller.
    if let Some(out) = unsafe { out.as_mut() } {
        *out = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Old {
        size: usize,
        a: u64,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct New {
        size: usize,
        a: u64,
        b: u64,
    }

    // SAFETY: a size first, then integers, without padding.
    unsafe impl Struct for Old {}
    // SAFETY: as above.
    unsafe impl Struct for New {}

    fn of_old(old: &Old) -> Result<New, Failure> {
        // SAFETY: no more is read than `size` says.
        unsafe { read(ptr::from_ref(old).cast()) }
    }

    fn of_new(new: &New) -> Result<Old, Failure> {
        // SAFETY: as above.
        unsafe { read(ptr::from_ref(new).cast()) }
    }

    #[test]
    fn an_older_caller_leaves_what_it_does_not_know_at_zero() {
        let new = of_old(&Old { size: 16, a: 7 }).unwrap();
        assert_eq!((new.a, new.b), (7, 0));
    }

    #[test]
    fn a_newer_caller_is_understood_unless_it_asks_for_what_is_not_known() {
        assert_eq!(of_new(&New { size: 24, a: 7, b: 0 }).unwrap().a, 7);
        assert!(matches!(of_new(&New { size: 24, a: 7, b: 1 }), Err(Failure::Argument(_))));
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        for size in [0, 7, 4097, usize::MAX] {
            assert!(matches!(of_old(&Old { size, a: 0 }), Err(Failure::Argument(_))), "{size}");
        }
    }

    #[test]
    fn an_answer_stays_within_what_the_caller_has_and_clears_what_is_not_known() {
        let mut new = New { size: 16, a: 0, b: 9 };
        // SAFETY: no more is written than `size` says.
        unsafe { write(&mut new, &New { size: 0, a: 1, b: 2 }) }.unwrap();
        assert_eq!(new, New { size: 16, a: 1, b: 9 });
        new.size = 24;
        // SAFETY: as above.
        unsafe { write(ptr::from_mut(&mut new).cast(), &Old { size: 0, a: 3 }) }.unwrap();
        assert_eq!(new, New { size: 24, a: 3, b: 0 });
    }
}

//! Models and sessions for C: handles around the library's.

#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Mutex;

use syrinx::{ErrorKind, Model, Session};

use crate::memory::{free, give, handle, name, place, read, text};
use crate::options::{CModelOptions, CSessionOptions, CSpeakOptions};
use crate::speech::CSpeech;
use crate::status::{Failure, OK, guard, lock};

/// `syrinx_model`.
#[derive(Debug)]
pub struct CModel {
    pub(crate) model: Model,
    name: CString,
    voices: Vec<CString>,
}

/// `syrinx_session`.
#[derive(Debug)]
pub struct CSession {
    session: Mutex<Session>,
}

/// A name out of a pack; a NUL in it ends it.
pub(crate) fn c_name(name: &str) -> CString {
    CString::new(name.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// # Safety
/// As the header says, here and below: pointers are NULL or what they are said to be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_model_open(
    folder: *const c_char,
    options: *const CModelOptions,
    out: *mut *mut CModel,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, folder, options) = unsafe { (place(out)?, name(folder)?, read(options)?.options()?) };
        let folder = folder.ok_or_else(|| Failure::Argument("folder is NULL".to_owned()))?;
        let model = Model::open(folder, options)?;
        let info = model.info();
        let (name, voices) = (c_name(&info.name), info.voices.iter().map(|voice| c_name(voice)).collect());
        give(out, CModel { name, voices, model });
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_model_free(model: *mut CModel) {
    // SAFETY: required of the caller.
    unsafe { free(model) }
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_model_sample_rate(model: *const CModel) -> u32 {
    // SAFETY: required of the caller.
    unsafe { model.as_ref() }.map_or(0, |model| model.model.info().sample_rate_hz)
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_model_block_samples(model: *const CModel) -> usize {
    // SAFETY: required of the caller.
    unsafe { model.as_ref() }.map_or(0, |model| model.model.info().samples_per_frame)
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_model_name(model: *const CModel) -> *const c_char {
    // SAFETY: required of the caller.
    unsafe { model.as_ref() }.map_or(ptr::null(), |model| model.name.as_ptr())
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_model_voice(model: *const CModel, index: usize) -> *const c_char {
    // SAFETY: required of the caller.
    let voice = unsafe { model.as_ref() }.and_then(|model| model.voices.get(index));
    voice.map_or(ptr::null(), |voice| voice.as_ptr())
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_session_open(
    model: *const CModel,
    options: *const CSessionOptions,
    out: *mut *mut CSession,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, model, options) = unsafe { (place(out)?, handle(model, "model")?, read(options)?.options()?) };
        give(out, CSession { session: Mutex::new(model.model.session(options)?) });
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_session_warm(session: *const CSession, voice: *const c_char) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (session, voice) = unsafe { (handle(session, "session")?, name(voice)?) };
        lock(&session.session)?.warm(voice)?;
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_session_free(session: *mut CSession) {
    // SAFETY: required of the caller.
    unsafe { free(session) }
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speak(
    session: *const CSession,
    utf8: *const c_char,
    length: usize,
    options: *const CSpeakOptions,
    out: *mut *mut CSpeech,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, session, utf8) = unsafe { (place(out)?, handle(session, "session")?, text(utf8, length)?) };
        // SAFETY: as above.
        let options = unsafe { read(options)?.options()? };
        let speech = lock(&session.session)?.speak(utf8, &options)?;
        give(out, CSpeech::new(speech));
        Ok(OK)
    })
}

/// # Safety
/// See [`syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_speech_open(
    session: *const CSession,
    options: *const CSpeakOptions,
    out: *mut *mut CSpeech,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, session, options) = unsafe { (place(out)?, handle(session, "session")?, read(options)?.options()?) };
        let speech = lock(&session.session)?.speech(&options)?;
        give(out, CSpeech::new(speech));
        Ok(OK)
    })
}

/// What ended speech has no more to give: how that is said.
pub(crate) fn over_budget() -> Failure {
    Failure::of(ErrorKind::OutOfBudget, "the frame budget is used up: raise max_frames")
}

//! Speech in real time for C. In: a model, a device or the caller's audio callback. Out: sound.

#![allow(unsafe_code)]

use std::ffi::c_char;
use std::sync::Mutex;
use std::time::Duration;

use syrinx::{Live, Renderer};

use crate::memory::{free, give, handle, name, place, put, read, text};
use crate::model::CModel;
use crate::options::{CLiveOptions, CSpeakOptions, lane, lane_number};
use crate::status::{BAD_ARGUMENT, Failure, OK, PANIC, TIMEOUT, guard};
use crate::utterance::CUtterance;

/// `SYRINX_LANE_NONE`.
const NO_LANE: i32 = -2;

/// `syrinx_live`.
#[derive(Debug)]
pub struct CLive {
    live: Live,
}

/// `syrinx_renderer`.
#[derive(Debug)]
pub struct CRenderer {
    renderer: Mutex<Renderer>,
}

/// As long as C says; negative is for ever.
pub(crate) fn duration(timeout_ms: i32) -> Duration {
    u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis)
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_open(
    model: *const CModel,
    options: *const CLiveOptions,
    out: *mut *mut CLive,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, model, options) = unsafe { (place(out)?, handle(model, "model")?, read(options)?.options()?) };
        give(out, CLive { live: Live::open(&model.model, options)? });
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_open_rendered(
    model: *const CModel,
    options: *const CLiveOptions,
    sample_rate_hz: u32,
    out: *mut *mut CLive,
    renderer: *mut *mut CRenderer,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, renderer, model) = unsafe { (place(out)?, place(renderer)?, handle(model, "model")?) };
        // SAFETY: as above.
        let options = unsafe { read(options)?.options()? };
        let (live, samples) = Live::open_rendered(&model.model, options, sample_rate_hz)?;
        give(out, CLive { live });
        give(renderer, CRenderer { renderer: Mutex::new(samples) });
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_free(live: *mut CLive) {
    // SAFETY: required of the caller.
    unsafe { free(live) }
}

/// Nothing is said here but the number: the line for people would be allocated.
///
/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_render(renderer: *const CRenderer, out: *mut f32, frames: usize, channels: u32) -> i32 {
    let Some(count) = frames.checked_mul(channels as usize).filter(|_| !out.is_null()) else { return BAD_ARGUMENT };
    // SAFETY: required of the caller.
    let (renderer, out) = unsafe { (renderer.as_ref(), std::slice::from_raw_parts_mut(out, count)) };
    out.fill(0.0);
    let Some(renderer) = renderer else { return BAD_ARGUMENT };
    let render = std::panic::AssertUnwindSafe(|| {
        // Nobody waits here: the lock is tried, and is only ever tried, so that its end wakes nobody either.
        match renderer.renderer.try_lock() {
            Ok(mut renderer) => {
                renderer.render(out, channels as usize);
                OK
            }
            Err(std::sync::TryLockError::WouldBlock) => -syrinx::ErrorKind::Busy.code(),
            Err(std::sync::TryLockError::Poisoned(_)) => PANIC,
        }
    });
    std::panic::catch_unwind(render).unwrap_or(PANIC)
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_renderer_set_latency(renderer: *const CRenderer, frames: u64) -> i32 {
    // SAFETY: required of the caller.
    let Some(renderer) = (unsafe { renderer.as_ref() }) else { return BAD_ARGUMENT };
    match renderer.renderer.try_lock() {
        Ok(renderer) => {
            renderer.set_latency(frames);
            OK
        }
        Err(_) => -syrinx::ErrorKind::Busy.code(),
    }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_renderer_free(renderer: *mut CRenderer) {
    // SAFETY: required of the caller.
    unsafe { free(renderer) }
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_warm(live: *const CLive, voice: *const c_char) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (live, voice) = unsafe { (handle(live, "live")?, name(voice)?) };
        live.live.warm(voice)?;
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_pause(live: *const CLive, paused: i32) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let live = unsafe { handle(live, "live") }?;
        if paused == 0 {
            live.live.resume()
        } else {
            live.live.pause()
        }
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_set_volume(live: *const CLive, volume: f32, duck: f32) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let live = unsafe { handle(live, "live") }?;
        if !(0.0..=1.0).contains(&volume) || !(0.0..=1.0).contains(&duck) {
            return Err(Failure::Argument(format!("volume {volume}, duck {duck}: give 0 to 1")));
        }
        live.live.set_volume(volume);
        live.live.set_duck(duck);
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_cancel_all(live: *const CLive) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        unsafe { handle(live, "live") }?.live.cancel_all();
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_wait_lane(
    live: *const CLive,
    known: i32,
    timeout_ms: i32,
    lane_now: *mut i32,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let live = unsafe { handle(live, "live") }?;
        let known = if known == NO_LANE { None } else { Some(lane(known)?) };
        let now = live.live.wait_lane(known, duration(timeout_ms));
        // SAFETY: as above.
        unsafe { put(lane_now, now.map_or(NO_LANE, lane_number)) };
        Ok(if now == known { TIMEOUT } else { OK })
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_sample_rate(live: *const CLive) -> u32 {
    // SAFETY: required of the caller.
    unsafe { live.as_ref() }.map_or(0, |live| live.live.device_hz())
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_underruns(live: *const CLive) -> u64 {
    // SAFETY: required of the caller.
    unsafe { live.as_ref() }.map_or(0, |live| live.live.underruns())
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_live_speak(
    live: *const CLive,
    utf8: *const c_char,
    length: usize,
    options: *const CSpeakOptions,
    out: *mut *mut CUtterance,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, live, utf8) = unsafe { (place(out)?, handle(live, "live")?, text(utf8, length)?) };
        // SAFETY: as above.
        let options = unsafe { read(options)?.options()? };
        give(out, CUtterance::new(live.live.speak(utf8, &options)?, utf8));
        Ok(OK)
    })
}

/// # Safety
/// See [`crate::model::syrinx_model_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syrinx_utterance_open(
    live: *const CLive,
    options: *const CSpeakOptions,
    out: *mut *mut CUtterance,
) -> i32 {
    guard(|| {
        // SAFETY: required of the caller.
        let (out, live, options) = unsafe { (place(out)?, handle(live, "live")?, read(options)?.options()?) };
        give(out, CUtterance::new(live.live.utterance(&options)?, ""));
        Ok(OK)
    })
}

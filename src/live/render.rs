//! Live speech whose device is the caller. In: an audio callback of the caller's that asks for samples. Out: the samples
//! that a device of ours would have got.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::open::{Live, LiveOptions};
use crate::device::callback::Callback;
use crate::device::{Format, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Model;

/// What a device would ask for at a time. Nothing depends on it: the caller's periods may have any size.
const PERIOD_MS: u32 = 10;
/// Rates that a caller may have.
const RATES_HZ: RangeInclusive<u32> = 8_000..=384_000;

/// Gives the samples of a [`Live`] to an audio callback of the caller's. Speech waits while nobody calls it.
#[derive(Debug)]
pub struct Renderer {
    callback: Callback,
    closed: Arc<AtomicBool>,
}

impl Renderer {
    /// Writes interleaved samples, the same on every one of `channels`: speech where there is some, else silence; silence
    /// for ever once the [`Live`] was dropped. A last incomplete group of channels is silent.
    ///
    /// For a thread that must never wait: it neither allocates, frees, locks nor calls the system.
    pub fn render(&mut self, out: &mut [f32], channels: usize) {
        let channels = channels.max(1);
        let whole = out.len() / channels * channels;
        let (out, rest) = out.split_at_mut(whole);
        rest.fill(0.0);
        if self.closed.load(Ordering::Acquire) {
            out.fill(0.0);
        } else {
            self.callback.write(out, channels, |sample| sample);
        }
    }

    /// Samples per channel between the return of [`Renderer::render`] and the ear, by which positions lag. 0 at first.
    pub fn set_latency(&self, samples: u64) {
        self.callback.control().set_latency(samples);
    }
}

/// A device that hands its callback on.
#[derive(Debug)]
struct Caller {
    sample_rate_hz: u32,
    callback: Arc<Mutex<Option<Callback>>>,
    closed: Arc<AtomicBool>,
}

impl Sink for Caller {
    fn format(&self) -> Format {
        let period_frames = (self.sample_rate_hz * PERIOD_MS / 1000).max(1) as usize;
        Format { sample_rate_hz: self.sample_rate_hz, channels: 1, period_frames }
    }

    fn start(&mut self, callback: Callback) -> Result<()> {
        *self.callback.lock().unwrap_or_else(PoisonError::into_inner) = Some(callback);
        Ok(())
    }

    fn stop(&mut self) -> Option<Callback> {
        self.closed.store(true, Ordering::Release);
        self.callback.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_lost(&self) -> bool {
        false
    }
}

impl Live {
    /// As [`Live::open`], but that an audio callback of the caller's asks for samples, at this rate, through the
    /// [`Renderer`]. `options.device` is not looked at. Errors: as [`Model::session`], and `BadOption` for a rate outside
    /// 8 to 384 kHz.
    pub fn open_rendered(model: &Model, options: LiveOptions, sample_rate_hz: u32) -> Result<(Self, Renderer)> {
        if !RATES_HZ.contains(&sample_rate_hz) {
            let (least, most) = (RATES_HZ.start(), RATES_HZ.end());
            let message = format!("a rate of {sample_rate_hz} Hz: give that of your device, {least} to {most}");
            return Err(Error::new(ErrorKind::BadOption, message));
        }
        let (callback, closed) = (Arc::<Mutex<Option<Callback>>>::default(), Arc::<AtomicBool>::default());
        let sink = Caller { sample_rate_hz, callback: callback.clone(), closed: closed.clone() };
        let mut sink = Some(Box::new(sink) as Box<dyn Sink>);
        let open = move || {
            sink.take().ok_or_else(|| Error::new(ErrorKind::Device, "the caller's audio callback is opened once"))
        };
        let live = Self::open_with(model, options, Box::new(open))?;
        let callback = callback.lock().unwrap_or_else(PoisonError::into_inner).take();
        let callback = callback.ok_or_else(|| Error::new(ErrorKind::Backend, "live speech has ended as it began"))?;
        Ok((live, Renderer { callback, closed }))
    }
}

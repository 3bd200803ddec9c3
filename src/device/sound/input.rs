//! Microphones through cpal. In: a device's identifier. Out: what it hears, handed to a [`Capture`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, FromSample, I24, InputCallbackInfo, SampleFormat, SizedSample, U24};

use super::{Direction, Health, choose, find, refused};
use crate::device::capture::Capture;
use crate::device::{Format, Source};
use crate::error::{Error, ErrorKind, Result};

/// Samples that can be taken, in this order: first those that lose nothing.
pub(super) const FORMATS: [SampleFormat; 12] = [
    SampleFormat::F32,
    SampleFormat::I16,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::F64,
    SampleFormat::I64,
    SampleFormat::U16,
    SampleFormat::U24,
    SampleFormat::U32,
    SampleFormat::U64,
    SampleFormat::I8,
    SampleFormat::U8,
];
/// Time per period that is asked for: nobody waits for the single period, and few cost less.
const PERIOD_MS: u32 = 20;
/// How long a microphone may take to begin.
const START: Duration = Duration::from_secs(4);

pub struct SoundSource {
    name: String,
    device: cpal::Device,
    format: Format,
    sample: SampleFormat,
    stream: Option<cpal::Stream>,
    health: Arc<Health>,
}

impl std::fmt::Debug for SoundSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, format, .. } = self;
        f.debug_struct("SoundSource").field("name", name).field("format", format).finish_non_exhaustive()
    }
}

impl SoundSource {
    /// Errors: `Device` where it is absent or is no microphone.
    pub fn open(id: Option<&str>, speech_hz: u32) -> Result<Self> {
        let device = find(id, Direction::In)?;
        let (format, sample) = choose(&device, Direction::In, PERIOD_MS, speech_hz)?;
        let name = id.unwrap_or("the default microphone").to_owned();
        Ok(Self { name, device, format, sample, stream: None, health: Health::new() })
    }
}

impl Source for SoundSource {
    fn format(&self) -> Format {
        self.format
    }

    /// cpal waits for a stream's first samples, on a sound server without end where none come: so that is done aside.
    fn start(&mut self, capture: Capture) -> Result<()> {
        self.health = Health::new();
        let (device, format, sample, health) = (self.device.clone(), self.format, self.sample, self.health.clone());
        let (tell, told) = channel();
        let begin = move || {
            let begun = build(&device, format, sample, capture, health).map_err(|e| ("open", e));
            let begun = begun.and_then(|stream| match stream.play() {
                Ok(()) => Ok(stream),
                Err(e) => Err(("start", e)),
            });
            let _ = tell.send(begun); // a stream that nobody waits for any more ends
        };
        let thread = std::thread::Builder::new().name("syrinx-microphone".into()).spawn(begin);
        thread.map_err(|e| {
            Error::new(ErrorKind::Device, format!("cannot start a thread for {}: {e}", self.name)).with_source(e)
        })?;
        match told.recv_timeout(START) {
            Ok(Ok(stream)) => self.stream = Some(stream),
            Ok(Err((action, e))) => return Err(refused(action, &self.name, e)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let what = format!("{} gives no sound: choose another of `syrinx devices`", self.name);
                return Err(Error::new(ErrorKind::Device, what));
            }
        }
        Ok(())
    }

    fn is_lost(&self) -> bool {
        self.health.is_lost()
    }
}

fn build(
    device: &cpal::Device,
    format: Format,
    sample: SampleFormat,
    capture: Capture,
    health: Arc<Health>,
) -> std::result::Result<cpal::Stream, cpal::Error> {
    let build = match sample {
        SampleFormat::I8 => build_of::<i8>,
        SampleFormat::I16 => build_of::<i16>,
        SampleFormat::I24 => build_of::<I24>,
        SampleFormat::I32 => build_of::<i32>,
        SampleFormat::I64 => build_of::<i64>,
        SampleFormat::U8 => build_of::<u8>,
        SampleFormat::U16 => build_of::<u16>,
        SampleFormat::U24 => build_of::<U24>,
        SampleFormat::U32 => build_of::<u32>,
        SampleFormat::U64 => build_of::<u64>,
        SampleFormat::F64 => build_of::<f64>,
        _ => build_of::<f32>, // `choose` gives no other
    };
    build(device, format, capture, health)
}

fn build_of<T: SizedSample>(
    device: &cpal::Device,
    format: Format,
    mut capture: Capture,
    health: Arc<Health>,
) -> std::result::Result<cpal::Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let Format { sample_rate_hz, channels, period_frames } = format;
    let config = cpal::StreamConfig {
        channels,
        sample_rate: sample_rate_hz,
        buffer_size: BufferSize::Fixed(period_frames as u32),
    };
    let told = health.clone();
    let hear = move |input: &[T], _: &InputCallbackInfo| {
        health.periods.fetch_add(1, Ordering::Relaxed);
        capture.write(input, usize::from(channels), f32::from_sample_);
    };
    device.build_input_stream(config, hear, move |e| told.note(&e), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_and_silence_are_those_of_every_format() {
        fn check<T: Copy>(least: T, middle: T, most: T)
        where
            f32: FromSample<T>,
        {
            let of = |sample: T| f32::from_sample_(sample);
            assert_eq!((of(least), of(middle)), (-1.0, 0.0));
            assert!((0.99..=1.0).contains(&of(most)), "{}", of(most));
        }
        check(i8::MIN, 0, i8::MAX);
        check(i16::MIN, 0, i16::MAX);
        check(I24::new(-(1 << 23)).unwrap(), I24::new(0).unwrap(), I24::new((1 << 23) - 1).unwrap());
        check(i32::MIN, 0, i32::MAX);
        check(i64::MIN, 0, i64::MAX);
        check(u8::MIN, 1 << 7, u8::MAX);
        check(u16::MIN, 1 << 15, u16::MAX);
        check(U24::new(0).unwrap(), U24::new(1 << 23).unwrap(), U24::new((1 << 24) - 1).unwrap());
        check(u32::MIN, 1 << 31, u32::MAX);
        check(u64::MIN, 1 << 63, u64::MAX);
        check(-1f32, 0.0, 1.0);
        check(-1f64, 0.0, 1.0);
    }
}

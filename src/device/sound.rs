//! Sound devices through cpal. In: the callback, a device's identifier. Out: sound. Microphones: [`input`].
//!
//! cpal drops the closure of a stream when the stream ends; the callback in it then goes back to the sink, so that the
//! next stream, after a device was lost, continues with the same rings.

pub mod input;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, FromSample, I24, OutputCallbackInfo, SampleFormat, SizedSample, SupportedBufferSize,
    SupportedStreamConfigRange,
};

use super::callback::Callback;
use super::wav::to_i16;
use super::{Device, Format, Sink};
use crate::error::{Error, ErrorKind, Result};

/// A device that is silent for so long, while it should ask for samples, is lost.
const SILENT: Duration = Duration::from_secs(3);
/// How long a stream may take to give its callback back.
const RETURN: Duration = Duration::from_secs(2);
/// Rates that are tried where a device cannot take the speech's own, in this order.
const RATES_HZ: [u32; 3] = [48_000, 44_100, 32_000];
/// Samples that can be given, in this order: first what the card takes as it is or nearly so, last what is heard.
const FORMATS: [SampleFormat; 8] = [
    SampleFormat::F32,
    SampleFormat::I16,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::F64,
    SampleFormat::U16,
    SampleFormat::I8,
    SampleFormat::U8,
];
/// The loudest sample of an integer format, where 1 would be one step too much: 24 bits' own.
const LOUDEST: f32 = 1.0 - f32::EPSILON;

/// Which way the sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Out,
    In,
}

impl Direction {
    fn default_of(self, host: &cpal::Host) -> Option<cpal::Device> {
        match self {
            Self::Out => host.default_output_device(),
            Self::In => host.default_input_device(),
        }
    }

    fn devices(self, host: &cpal::Host) -> std::result::Result<Vec<cpal::Device>, cpal::Error> {
        match self {
            Self::Out => host.output_devices().map(Iterator::collect),
            Self::In => host.input_devices().map(Iterator::collect),
        }
    }

    fn usual(self, device: &cpal::Device) -> std::result::Result<cpal::SupportedStreamConfig, cpal::Error> {
        match self {
            Self::Out => device.default_output_config(),
            Self::In => device.default_input_config(),
        }
    }

    fn configs(self, device: &cpal::Device) -> std::result::Result<Vec<SupportedStreamConfigRange>, cpal::Error> {
        match self {
            Self::Out => device.supported_output_configs().map(Iterator::collect),
            Self::In => device.supported_input_configs().map(Iterator::collect),
        }
    }

    fn formats(self) -> &'static [SampleFormat] {
        match self {
            Self::Out => &FORMATS,
            Self::In => &input::FORMATS,
        }
    }
}

/// The devices of every host, best host first, with what speech at `speech_hz` would be there.
pub(super) fn list(direction: Direction, speech_hz: u32) -> Vec<Device> {
    let mut found = Vec::new();
    for host in hosts() {
        let default = direction.default_of(&host).and_then(|device| device.id().ok());
        let Ok(devices) = direction.devices(&host) else { continue };
        for device in devices {
            let Ok(id) = device.id() else { continue };
            let name = device.description().map(|d| d.name().to_owned()).unwrap_or_default();
            let format = choose(&device, direction, 10, speech_hz);
            let format = format.map(|(format, _)| format).map_err(|e| e.message().to_owned());
            found.push(Device { is_default: default.as_ref() == Some(&id), id: id.to_string(), name, format });
        }
    }
    found
}

/// A sound server, where one runs, before the kernel's own devices: it owns them then.
fn hosts() -> Vec<cpal::Host> {
    let mut ids = cpal::available_hosts();
    ids.sort_by_key(|id| !is_server(*id));
    ids.into_iter().filter_map(|id| cpal::host_from_id(id).ok()).collect()
}

#[cfg(target_os = "linux")]
fn is_server(id: cpal::HostId) -> bool {
    id == cpal::HostId::PulseAudio
}

#[cfg(not(target_os = "linux"))]
fn is_server(_: cpal::HostId) -> bool {
    false // each system has one host alone
}

fn find(id: Option<&str>, direction: Direction) -> Result<cpal::Device> {
    let Some(id) = id else {
        let works = |device: &cpal::Device| direction.usual(device).is_ok();
        let found = hosts().into_iter().find_map(|host| direction.default_of(&host).filter(works));
        let absent = match direction {
            Direction::Out => "no sound device: connect one, or write a file with -o",
            Direction::In => "no microphone: connect one, or hear a file",
        };
        return found.ok_or_else(|| Error::new(ErrorKind::Device, absent));
    };
    let absent =
        || Error::new(ErrorKind::Device, format!("no device \"{id}\": `syrinx devices` lists those there are"));
    let parsed: cpal::DeviceId = id.parse().map_err(|_| absent())?;
    let host = cpal::host_from_id(parsed.host()).map_err(|_| absent())?;
    host.device_by_id(&parsed).ok_or_else(absent)
}

pub struct SoundSink {
    id: Option<String>,
    device: cpal::Device,
    format: Format,
    sample: SampleFormat,
    stream: Option<cpal::Stream>,
    home: Option<Receiver<Callback>>,
    health: Arc<Health>,
}

/// What the stream's threads say about it.
#[derive(Debug)]
struct Health {
    started: Instant,
    lost: AtomicBool,
    periods: AtomicU64,
    /// The number of periods when somebody last looked, and when that was (ms since the start).
    seen: AtomicU64,
    seen_ms: AtomicU64,
}

impl Health {
    /// Of a stream that starts now.
    fn new() -> Arc<Self> {
        let (periods, seen, seen_ms) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { started: Instant::now(), lost: AtomicBool::new(false), periods, seen, seen_ms })
    }

    /// May be called on the sound thread, so it sets a flag and leaves the rest to others.
    fn note(&self, e: &cpal::Error) {
        use cpal::ErrorKind::{DeviceChanged, RealtimeDenied, Xrun};
        if !matches!(e.kind(), Xrun | RealtimeDenied | DeviceChanged) {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    fn is_lost(&self) -> bool {
        let now_ms = self.started.elapsed().as_millis() as u64;
        let periods = self.periods.load(Ordering::Relaxed);
        if self.seen.swap(periods, Ordering::Relaxed) != periods {
            self.seen_ms.store(now_ms, Ordering::Relaxed);
        }
        let silent = now_ms.saturating_sub(self.seen_ms.load(Ordering::Relaxed)) > SILENT.as_millis() as u64;
        self.lost.load(Ordering::Relaxed) || silent
    }
}

impl std::fmt::Debug for SoundSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, format, .. } = self;
        f.debug_struct("SoundSink").field("id", id).field("format", format).finish_non_exhaustive()
    }
}

impl SoundSink {
    /// Errors: `Device` where it is absent or cannot play what is asked for.
    pub fn open(id: Option<&str>, period_ms: u32, speech_hz: u32) -> Result<Self> {
        let device = find(id, Direction::Out)?;
        let (format, sample) = choose(&device, Direction::Out, period_ms, speech_hz)?;
        Ok(Self { id: id.map(str::to_owned), device, format, sample, stream: None, home: None, health: Health::new() })
    }

    fn build<T: SizedSample>(
        &self,
        callback: Callback,
        back: Sender<Callback>,
        convert: impl Fn(f32) -> T + Copy + Send + 'static,
    ) -> std::result::Result<cpal::Stream, cpal::Error> {
        let Format { sample_rate_hz, channels, period_frames } = self.format;
        let config = cpal::StreamConfig {
            channels,
            sample_rate: sample_rate_hz,
            buffer_size: BufferSize::Fixed(period_frames as u32),
        };
        let mut lent = Lent { callback: Some(callback), back };
        let (counted, told) = (self.health.clone(), self.health.clone());
        let play = move |out: &mut [T], info: &OutputCallbackInfo| {
            counted.periods.fetch_add(1, Ordering::Relaxed);
            if let Some(callback) = &mut lent.callback {
                let times = info.timestamp();
                let wait = times.playback.saturating_duration_since(times.callback);
                let frames = out.len() / usize::from(channels.max(1));
                let waiting = wait.as_micros() as u64 * u64::from(sample_rate_hz) / 1_000_000;
                callback.control().set_latency(waiting + frames as u64);
                callback.write(out, usize::from(channels), convert);
            }
        };
        self.device.build_output_stream(config, play, move |e| told.note(&e), None)
    }

    fn error(&self, action: &str, e: cpal::Error) -> Error {
        let name = self.id.as_deref().unwrap_or("the default device");
        refused(action, name, e)
    }
}

fn refused(action: &str, name: &str, e: cpal::Error) -> Error {
    Error::new(ErrorKind::Device, format!("cannot {action} {name}: {}", with_remedy(&e))).with_source(e)
}

fn with_remedy(e: &cpal::Error) -> String {
    let remedy = match e.kind() {
        cpal::ErrorKind::DeviceBusy => "close the program that uses it, or choose another of `syrinx devices`",
        cpal::ErrorKind::PermissionDenied => "allow this user the sound devices (group audio)",
        _ => "choose another of `syrinx devices`",
    };
    format!("{}: {remedy}", e.to_string().trim_end_matches('.'))
}

impl Sink for SoundSink {
    fn format(&self) -> Format {
        self.format
    }

    fn start(&mut self, callback: Callback) -> Result<()> {
        self.health = Health::new();
        let (back, home) = channel();
        self.home = Some(home);
        let stream = match self.sample {
            SampleFormat::I8 => self.build(callback, back, convert::<i8>),
            SampleFormat::I16 => self.build(callback, back, to_i16),
            SampleFormat::I24 => self.build(callback, back, convert::<I24>),
            SampleFormat::I32 => self.build(callback, back, convert::<i32>),
            SampleFormat::U8 => self.build(callback, back, convert::<u8>),
            SampleFormat::U16 => self.build(callback, back, convert::<u16>),
            SampleFormat::F64 => self.build(callback, back, f64::from),
            _ => self.build(callback, back, |sample: f32| sample), // f32: `choose` gives no other
        };
        let stream = stream.map_err(|e| self.error("open", e))?;
        stream.play().map_err(|e| self.error("start", e))?;
        self.stream = Some(stream);
        Ok(())
    }

    fn stop(&mut self) -> Option<Callback> {
        self.stream = None;
        self.home.take()?.recv_timeout(RETURN).ok()
    }

    fn is_lost(&self) -> bool {
        self.health.is_lost()
    }
}

/// cpal's conversion to an integer format, which does not look at the range.
fn convert<T: FromSample<f32>>(sample: f32) -> T {
    T::from_sample_(sample.clamp(-1.0, LOUDEST))
}

/// The callback while a stream has it.
struct Lent {
    callback: Option<Callback>,
    back: Sender<Callback>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(callback) = self.callback.take() {
            let _ = self.back.send(callback); // nobody waits for it when the engine has gone
        }
    }
}

/// The device's format that is nearest to mono speech at `speech_hz`. A microphone may have any rate. Errors: `Device`.
fn choose(
    device: &cpal::Device,
    direction: Direction,
    period_ms: u32,
    speech_hz: u32,
) -> Result<(Format, SampleFormat)> {
    let cannot = |why: String| Error::new(ErrorKind::Device, format!("the device cannot be used: {why}"));
    let refused = |e: cpal::Error| cannot(with_remedy(&e));
    let usual = direction.usual(device).map_err(refused)?;
    // Where a device converts what it hears, as ALSA's plugins do, it may do so badly: we do it well.
    let first = match direction {
        Direction::Out => [speech_hz, usual.sample_rate()],
        Direction::In => [usual.sample_rate(), speech_hz],
    };
    let rates: Vec<u32> = first.into_iter().chain(RATES_HZ).collect();
    let rate = |config: &SupportedStreamConfigRange| match rates.iter().position(|&rate| config.contains_rate(rate)) {
        None if direction == Direction::Out => None,
        None => Some((rates.len(), speech_hz.clamp(config.min_sample_rate(), config.max_sample_rate()))),
        Some(at) => rates.get(at).map(|&rate_hz| (at, rate_hz)),
    };
    let rank = |config: &SupportedStreamConfigRange| {
        let (at, rate_hz) = rate(config)?;
        let sample = direction.formats().iter().position(|&format| format == config.sample_format())?;
        Some(((config.channels() != usual.channels(), at, sample, config.channels()), rate_hz))
    };
    let configs = direction.configs(device).map_err(refused)?.into_iter();
    let best = configs.filter_map(|config| Some((rank(&config)?, config))).min_by_key(|((rank, _), _)| *rank);
    let Some(((_, sample_rate_hz), config)) = best else {
        let formats = direction.formats();
        return Err(cannot(format!("it has none of the samples {formats:?} at {RATES_HZ:?} Hz")));
    };
    let asked = (sample_rate_hz * period_ms / 1000).max(1);
    let period = match *config.buffer_size() {
        SupportedBufferSize::Range { min, max } => asked.clamp(min, max.max(min)),
        SupportedBufferSize::Unknown => asked,
    };
    let format = Format { sample_rate_hz, channels: config.channels(), period_frames: period as usize };
    Ok((format, config.sample_format()))
}

#[cfg(test)]
mod tests {
    use cpal::Sample;

    use super::*;

    #[test]
    fn full_scale_stays_in_the_range_of_every_format_and_silence_in_its_middle() {
        fn check<T: FromSample<f32> + Sample + PartialEq + std::fmt::Debug>(least: T, most: T) {
            assert_eq!((convert::<T>(-1.0), convert::<T>(-7.0)), (least, least));
            assert_eq!((convert::<T>(1.0), convert::<T>(7.0)), (most, most));
            assert_eq!(convert::<T>(0.0), T::EQUILIBRIUM);
        }
        check(i8::MIN, i8::MAX);
        check(i16::MIN, i16::MAX);
        check(I24::new(-(1 << 23)).unwrap(), I24::new((1 << 23) - 1).unwrap());
        check(i32::MIN, i32::MAX - 255); // the largest that is a multiple of an f32's step
        check(u8::MIN, u8::MAX);
        check(u16::MIN, u16::MAX);
    }

    #[test]
    fn a_device_that_another_program_uses_is_told_from_one_that_cannot_play() {
        let busy = refused("open", "hw:0", cpal::Error::new(cpal::ErrorKind::DeviceBusy));
        assert_eq!(busy.kind(), ErrorKind::Device);
        assert!(busy.message().contains("hw:0") && busy.message().contains("close the program"), "{busy}");
        let other = refused("open", "hw:0", cpal::Error::new(cpal::ErrorKind::UnsupportedConfig));
        assert!(!other.message().contains("close the program"), "{other}");
    }
}

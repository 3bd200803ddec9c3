//! Where samples leave, and where a microphone's come in. In: blocks of `f32`. Out: a WAV file, a stream on standard output,
//! or sound.
//!
//! A [`Sink`] calls the [`Callback`] for each period: cpal's devices, or a clock whose samples go nowhere or into a
//! file. A [`Source`] hands what it hears to a [`Capture`]. What is real-time about Syrinx is in [`callback`], [`overlay`] and
//! [`capture`].

#[allow(missing_docs)]
pub mod callback;
#[allow(missing_docs)]
pub mod capture;
#[allow(missing_docs)]
pub mod clocked;
#[allow(missing_docs)]
pub mod control;
#[allow(missing_docs)]
pub mod overlay;
pub mod rate;
#[cfg(feature = "sound")]
#[allow(missing_docs)]
pub mod sound;
pub mod wav;

use std::path::PathBuf;

use crate::error::Result;
#[cfg(not(feature = "sound"))]
use crate::error::{Error, ErrorKind};
use callback::Callback;
use capture::Capture;

/// What a sink asks for, or a source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Samples per second and channel.
    pub sample_rate_hz: u32,
    /// Channels, all of which get the same samples; of a source their mean is heard.
    pub channels: u16,
    /// Samples per channel that it asks for or gives at a time; a device may vary them.
    pub period_frames: usize,
}

/// Something that takes samples in real time.
pub trait Sink: Send + std::fmt::Debug {
    /// What it asks for.
    fn format(&self) -> Format;

    /// Calls `callback` from now on. After an error [`Sink::stop`] gives it back. Errors: `Device`.
    fn start(&mut self, callback: Callback) -> Result<()>;

    /// Stops, and gives the callback back, unless the device has kept it.
    fn stop(&mut self) -> Option<Callback>;

    /// The device has gone: open it again.
    fn is_lost(&self) -> bool;
}

/// Something that gives samples in real time, until it is dropped.
pub trait Source: Send + std::fmt::Debug {
    /// What it gives.
    fn format(&self) -> Format;

    /// Writes to `capture` from now on. Errors: `Device`.
    fn start(&mut self, capture: Capture) -> Result<()>;

    /// The device has gone: open it again.
    fn is_lost(&self) -> bool;
}

/// Which device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The system's.
    #[default]
    Default,
    /// By the identifier that `syrinx devices` lists; it stays the same when the device is plugged in again.
    Id(String),
    /// A clock without sound, at this rate.
    Null {
        /// Samples per second.
        sample_rate_hz: u32,
    },
    /// A clock that writes what a device would play.
    Wav(PathBuf),
}

/// How a device is opened.
#[derive(Clone, Debug)]
pub struct DeviceOptions {
    /// Which one.
    pub device: DeviceChoice,
    /// Time per period that is asked for.
    pub period_ms: u32,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self { device: DeviceChoice::Default, period_ms: 10 }
    }
}

/// A device as `syrinx devices` lists it.
#[derive(Clone, Debug)]
pub struct Device {
    /// Stays the same when the device is plugged in again.
    pub id: String,
    /// For people.
    pub name: String,
    /// The system's choice.
    pub is_default: bool,
    /// What speech at 24 kHz would be played as, or that at 16 kHz be heard as, or why it cannot.
    pub format: std::result::Result<Format, String>,
}

/// The output devices of every host, best host first; none in a build without the feature `sound`.
pub fn list() -> Vec<Device> {
    #[cfg(feature = "sound")]
    return sound::list(sound::Direction::Out, 24_000);
    #[cfg(not(feature = "sound"))]
    return Vec::new();
}

/// The microphones of every host, as [`list`].
pub fn microphones() -> Vec<Device> {
    #[cfg(feature = "sound")]
    return sound::list(sound::Direction::In, 16_000);
    #[cfg(not(feature = "sound"))]
    return Vec::new();
}

/// Opens a microphone, the system's where none is named, for speech at `sample_rate_hz`; it may have another rate.
///
/// Errors: `Device`; `Unsupported` in a build without the feature `sound`.
#[cfg(feature = "sound")]
pub fn open_microphone(id: Option<&str>, sample_rate_hz: u32) -> Result<Box<dyn Source>> {
    Ok(Box::new(sound::input::SoundSource::open(id, sample_rate_hz)?))
}

/// As in a build with the feature `sound`. Errors: `Unsupported`.
#[cfg(not(feature = "sound"))]
pub fn open_microphone(_: Option<&str>, _: u32) -> Result<Box<dyn Source>> {
    let message = "this build has no microphones: hear a file, or build with the feature \"sound\"";
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Opens a sink for speech at `sample_rate_hz`; the sink may have another rate.
///
/// Errors: `Device`, `Io`; `Unsupported` for a sound device in a build without the feature `sound`.
pub fn open(options: &DeviceOptions, sample_rate_hz: u32) -> Result<Box<dyn Sink>> {
    let period = |rate_hz: u32| (rate_hz as usize * options.period_ms as usize / 1000).max(1);
    Ok(match &options.device {
        DeviceChoice::Null { sample_rate_hz } => {
            Box::new(clocked::ClockedSink::null(*sample_rate_hz, period(*sample_rate_hz)))
        }
        DeviceChoice::Wav(path) => Box::new(clocked::ClockedSink::wav(path, sample_rate_hz, period(sample_rate_hz))?),
        DeviceChoice::Default => open_sound(None, options.period_ms, sample_rate_hz)?,
        DeviceChoice::Id(id) => open_sound(Some(id), options.period_ms, sample_rate_hz)?,
    })
}

#[cfg(feature = "sound")]
fn open_sound(id: Option<&str>, period_ms: u32, speech_hz: u32) -> Result<Box<dyn Sink>> {
    Ok(Box::new(sound::SoundSink::open(id, period_ms, speech_hz)?))
}

#[cfg(not(feature = "sound"))]
fn open_sound(_: Option<&str>, _: u32, _: u32) -> Result<Box<dyn Sink>> {
    let message = "this build has no sound devices: write a file, or build with the feature \"sound\"";
    Err(Error::new(ErrorKind::Unsupported, message))
}

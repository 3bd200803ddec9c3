//! `syrinx say --play` and `--stream`: speech through the sound device, with its events.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syrinx::lab::board::{Cooling, Machine, Profile, SysThermal, Thermal};
use syrinx::lab::device::DeviceOptions;
use syrinx::lab::live::Preroll;
use syrinx::lab::pack::Pack;
use syrinx::{DeviceChoice, Error, ErrorKind, Event, Live, LiveOptions, Result, SpeakOptions, Utterance};

use super::arguments::MachineArguments;
use super::interrupt;
use super::output::errln;

/// How often a signal is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last samples may stay in the device after the engine has handed them over.
const DRAIN: Duration = Duration::from_millis(300);

/// Through which device, and how.
#[derive(Debug, clap::Args)]
pub struct PlayArguments {
    /// Speak through the sound device.
    #[arg(long, conflicts_with = "output")]
    play: bool,
    /// Speak standard input as it arrives, through the sound device: `some-llm | syrinx say --stream`.
    #[arg(long, conflicts_with_all = ["output", "text", "file"])]
    stream: bool,
    /// Device by the identifier of `syrinx devices`; `null` is a clock without sound.
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Write what the device would play, in real time, as a WAV file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "device")]
    tape: Option<std::path::PathBuf>,
    /// Time per period of the device. Without it: 10, or the board's.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=500))]
    period_ms: Option<u32>,
    /// Silence before the first word, for devices that swallow the beginning when they wake up.
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=5000))]
    preroll_ms: u32,
    /// Inaudible pulses while nothing is spoken, for devices that sleep when they are given nothing but silence.
    #[arg(long)]
    keep_alive: bool,
    /// With --stream: begin with a whole sentence, rather than with its first words as soon as they are there.
    #[arg(long)]
    whole_sentences: bool,
    /// Lower the quality by reported steps where the machine cannot keep up, or where it is hot.
    #[arg(long)]
    governor: bool,
}

impl PlayArguments {
    pub fn is_wanted(&self) -> bool {
        self.play || self.stream
    }

    pub fn is_stream(&self) -> bool {
        self.stream
    }

    pub fn tape(&self) -> Option<&Path> {
        self.tape.as_deref()
    }

    /// Speaks `text`, or standard input where there is none.
    pub fn run(
        self,
        pack: &Arc<Pack>,
        machine: &MachineArguments,
        speak: &SpeakOptions,
        text: Option<String>,
    ) -> Result<()> {
        let sample_rate_hz = pack.manifest().sample_rate_hz;
        let board = machine.profile()?;
        let defaults = board.as_ref().map(|board| &board.defaults);
        let sink = defaults.map(|board| board.sink.as_str()).filter(|sink| *sink != "default");
        let device = match (self.tape, self.device.as_deref().or(sink)) {
            (Some(path), _) => DeviceChoice::Wav(path),
            (None, Some("null")) => DeviceChoice::Null { sample_rate_hz },
            (None, Some(id)) => DeviceChoice::Id(id.to_owned()),
            (None, None) => DeviceChoice::Default,
        };
        let (model, session) = machine.load(pack)?;
        let period_ms = self.period_ms.or(defaults.map(|board| board.period_ms)).unwrap_or(10);
        let options = LiveOptions::default()
            .session(session)
            .device(DeviceOptions { device, period_ms })
            .preroll(Preroll { silence_ms: self.preroll_ms, ..Preroll::default() })
            .keep_alive(self.keep_alive)
            .governor(self.governor)
            .cooling(if self.governor { cooling(board.as_ref())? } else { None })
            .ring_ms(defaults.map(|board| board.ring_ms));
        interrupt::watch();
        let live = Live::open(&model, options)?;
        let speak = &speak.clone().whole_sentences(self.whole_sentences);
        machine.lock_memory()?;
        let said = Arc::new(Mutex::new(String::new()));
        let utterance = match text {
            Some(text) => {
                lock(&said).push_str(&text);
                live.speak(&text, speak)?
            }
            None => {
                let utterance = live.utterance(speak)?;
                feed_standard_input(&utterance, &said)?;
                utterance
            }
        };
        let outcome = follow(&utterance, &said);
        std::thread::sleep(DRAIN);
        if live.underruns() > 0 {
            log::warn!("sound broke off {} times: the machine is too slow (try --governor)", live.underruns());
        }
        outcome
    }
}

/// By the sensors of this board, or of the one that the system says it is.
fn cooling(board: Option<&Profile>) -> Result<Option<Cooling>> {
    let board = board.map_or_else(|| Machine::here().profile(), |board| Ok(board.clone()))?;
    let mut thermal = SysThermal::new(&board.thermal.zones);
    if thermal.read().hottest().is_none() {
        log::debug!("no temperature of {}: heat is not looked after", board.name);
        return Ok(None);
    }
    Ok(Some(Cooling::of(&board, thermal)))
}

fn lock(said: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows events until the last; a signal is a cancel.
fn follow(utterance: &Utterance, said: &Mutex<String>) -> Result<()> {
    let mut cancelled = false;
    loop {
        if interrupt::has_come() && !std::mem::replace(&mut cancelled, true) {
            utterance.cancel();
        }
        match utterance.next_event(LOOK) {
            Some(Event::Finished) => return Ok(()),
            Some(Event::OutOfBudget { message, .. }) => {
                log::warn!("--max-seconds: {message}");
                return Ok(());
            }
            Some(Event::Cancelled { position }) => {
                let spoken: String = lock(said).chars().take(position).collect();
                errln!("cancelled after {position} characters; spoken: {}", spoken.trim_end());
                return Ok(());
            }
            Some(Event::Failed { position, message }) => {
                let message = format!("{message} (after {position} characters)");
                return Err(Error::new(ErrorKind::Backend, message));
            }
            Some(Event::Clause { chars }) => log::debug!("clause {}..{}", chars.start, chars.end),
            Some(event @ (Event::Guard { .. } | Event::Quality { .. } | Event::Heat { .. })) => log::warn!("{event:?}"),
            Some(event) => log::debug!("{event:?}"),
            None => {}
        }
    }
}

/// Reads on a thread of its own, which waits for input as long as the process lives.
fn feed_standard_input(utterance: &Utterance, said: &Arc<Mutex<String>>) -> Result<()> {
    let (utterance, said) = (utterance.clone(), said.clone());
    let read = move || {
        let mut decoder = Utf8::default();
        let mut bytes = [0u8; 4096];
        let mut input = std::io::stdin().lock();
        loop {
            let text = match input.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => decoder.decode(bytes.get(..count).unwrap_or_default()),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    log::warn!("{}", Error::io("read", Path::new("standard input"), e));
                    break;
                }
            };
            lock(&said).push_str(&text);
            while let Err(e) = utterance.push(&text) {
                if e.kind() != ErrorKind::Busy {
                    return; // it was cancelled
                }
                std::thread::sleep(Duration::from_millis(100)); // more waits than may: the pipe will wait, too
            }
        }
        let rest = decoder.finish();
        lock(&said).push_str(&rest);
        let _ = utterance.push(&rest); // it may have been cancelled
        utterance.finish();
    };
    std::thread::Builder::new().name("syrinx-input".into()).spawn(read).map(drop).map_err(|e| {
        Error::new(ErrorKind::OutOfMemory, format!("cannot start a thread for standard input: {e}")).with_source(e)
    })
}

/// Text out of bytes that may be cut within a character. What is no UTF-8 becomes U+FFFD.
#[derive(Debug, Default)]
struct Utf8 {
    rest: Vec<u8>,
}

impl Utf8 {
    fn decode(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let complete = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(_) => self.rest.len() - unfinished(&self.rest),
        };
        let rest = self.rest.split_off(complete);
        let text = String::from_utf8_lossy(&self.rest).into_owned();
        self.rest = rest;
        text
    }

    fn finish(self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }
}

/// Bytes at the end that may be the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.iter().rev().take(3).position(|&byte| byte >= 0xc0);
    let Some(back) = last else { return 0 };
    let lead = bytes.iter().rev().nth(back).copied().unwrap_or_default();
    let length = match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if back + 1 < length { back + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_cut_anywhere() {
        let text = "aé€😀z";
        for size in 1..6 {
            let mut decoder = Utf8::default();
            let mut out: String = text.as_bytes().chunks(size).map(|bytes| decoder.decode(bytes)).collect();
            out.push_str(&decoder.finish());
            assert_eq!(out, text);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut decoder = Utf8::default();
        assert_eq!(decoder.decode(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(decoder.decode(b"\xe2\x82"), "");
        assert_eq!(decoder.finish(), "\u{fffd}");
    }
}

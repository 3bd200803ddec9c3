//! Options of C. In: structs in which 0 means what the model says. Out: the library's.

#![allow(unsafe_code)]

use std::ffi::c_char;

use syrinx::options::{DeviceOptions, Ssml};
use syrinx::{
    DeviceChoice, EarsOptions, ErrorKind, Lane, ListenOptions, LiveOptions, ModelOptions, SessionOptions, SpeakOptions,
};

use crate::lexicon::CLexicon;
use crate::memory::{Struct, name};
use crate::status::Failure;

/// `syrinx_model_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the header's
pub struct CModelOptions {
    pub struct_size: usize,
    pub flags: u32,
    pub threads: u32,
    pub parallel: u32,
    pub max_sessions: u32,
    pub memory_budget_bytes: u64,
    pub prefix_folder: *const c_char,
}

/// `syrinx_session_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CSessionOptions {
    pub struct_size: usize,
    pub context: u32,
    pub reserved: u32,
}

/// `syrinx_speak_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CSpeakOptions {
    pub struct_size: usize,
    pub voice: *const c_char,
    pub seed: u64,
    pub flags: u32,
    pub lane: i32,
    pub steps: u32,
    pub guidance: f32,
    pub max_frames: u64,
    pub language: *const c_char,
    pub lexicon: *const CLexicon,
    pub speed: f32,
    pub volume: f32,
}

/// `syrinx_live_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CLiveOptions {
    pub struct_size: usize,
    pub flags: u32,
    pub context: u32,
    pub device: *const c_char,
    pub period_ms: u32,
    pub ring_ms: u32,
    pub stuck_ms: u32,
    pub start_frames: u32,
}

/// `syrinx_ears_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CEarsOptions {
    pub struct_size: usize,
    pub flags: u32,
    pub threads: u32,
}

/// `syrinx_listen_options`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CListenOptions {
    pub struct_size: usize,
    pub delay_ms: u32,
    pub pause_ms: u32,
    pub recall_ms: u32,
    pub phrase_bonus: f32,
    pub phrases: *const c_char,
    pub language: *const c_char,
}

// SAFETY: a size first, then integers, floats and pointers that fill their words.
unsafe impl Struct for CModelOptions {}
// SAFETY: as above.
unsafe impl Struct for CEarsOptions {}
// SAFETY: as above.
unsafe impl Struct for CListenOptions {}
// SAFETY: as above.
unsafe impl Struct for CSessionOptions {}
// SAFETY: as above.
unsafe impl Struct for CSpeakOptions {}
// SAFETY: as above.
unsafe impl Struct for CLiveOptions {}

/// Which of the flags 1, 2, 4 … are set. Errors: one that this library does not know.
fn flags<const COUNT: usize>(flags: u32) -> Result<[bool; COUNT], Failure> {
    if flags >> COUNT != 0 {
        return Err(Failure::Argument(format!(
            "flags {flags:#x}: this libsyrinx knows the first {COUNT} bits: update it"
        )));
    }
    Ok(std::array::from_fn(|bit| flags >> bit & 1 == 1))
}

/// A number that was given; 0 is none.
fn given<T: PartialEq + Default>(number: T) -> Option<T> {
    Some(number).filter(|number| *number != T::default())
}

impl CModelOptions {
    /// # Safety
    /// Its strings are NULL or end with a NUL.
    pub unsafe fn options(&self) -> Result<ModelOptions, Failure> {
        let [no_verify, commercial] = flags(self.flags)?;
        let mut options = ModelOptions::default().verify(!no_verify).commercial(commercial);
        options.threads = given(self.threads).map_or(options.threads, |threads| threads as usize);
        options.parallel = given(self.parallel).map_or(options.parallel, |parallel| parallel as usize);
        options.max_sessions = given(self.max_sessions).map_or(options.max_sessions, |most| most as usize);
        options.memory_budget_bytes = given(self.memory_budget_bytes);
        // SAFETY: required of the caller.
        options.prefix_folder = unsafe { name(self.prefix_folder) }?.map(Into::into);
        Ok(options)
    }
}

impl CSessionOptions {
    /// Errors: `reserved` is not zero.
    pub fn options(&self) -> Result<SessionOptions, Failure> {
        match self.reserved {
            0 => Ok(SessionOptions::default().context(context(self.context))),
            _ => Err(Failure::Argument("reserved members are to be zero".to_owned())),
        }
    }
}

fn context(positions: u32) -> Option<usize> {
    given(positions).map(|positions| positions as usize)
}

/// Lanes by their number: an answer is 0.
pub fn lane(number: i32) -> Result<Lane, Failure> {
    Ok(match number {
        -1 => Lane::Chatter,
        0 => Lane::Answer,
        1 => Lane::Navigation,
        2 => Lane::Alert,
        _ => {
            return Err(Failure::of(
                ErrorKind::BadOption,
                &format!("there is no lane {number}: choose one of -1 to 2"),
            ));
        }
    })
}

/// The same the other way.
pub fn lane_number(lane: Lane) -> i32 {
    match lane {
        Lane::Chatter => -1,
        Lane::Navigation => 1,
        Lane::Alert => 2,
        _ => 0,
    }
}

impl CSpeakOptions {
    /// # Safety
    /// Its strings are NULL or end with a NUL; its lexicon is NULL or open.
    pub unsafe fn options(&self) -> Result<SpeakOptions, Failure> {
        let [seed, whole_sentences, strict, lenient] = flags(self.flags)?;
        let mut options = SpeakOptions::default().lane(lane(self.lane)?);
        // SAFETY: required of the caller.
        options.voice = unsafe { name(self.voice) }?.map(str::to_owned);
        options.seed = seed.then_some(self.seed);
        options.steps = given(self.steps).map(|steps| steps as usize);
        options.guidance = given(self.guidance);
        options.max_frames = given(self.max_frames);
        options.speed = given(self.speed);
        options.volume = given(self.volume);
        options.whole_sentences = whole_sentences.then_some(true);
        options.ssml = match (strict, lenient) {
            (true, true) => return Err(Failure::Argument("SSML is strict or lenient, not both".to_owned())),
            (true, false) => Some(Ssml::Strict),
            (false, true) => Some(Ssml::Lenient),
            (false, false) => None,
        };
        // SAFETY: as above.
        options.language = unsafe { name(self.language) }?.map(str::to_owned);
        // SAFETY: as above.
        options.lexicon = unsafe { self.lexicon.as_ref() }.map(|lexicon| lexicon.0.clone());
        Ok(options)
    }
}

impl CEarsOptions {
    /// Errors: a flag that is not known.
    pub fn options(&self) -> Result<EarsOptions, Failure> {
        let [no_verify, commercial] = flags(self.flags)?;
        let mut options = EarsOptions::default().verify(!no_verify).commercial(commercial);
        options.threads = given(self.threads).map_or(options.threads, |threads| threads as usize);
        Ok(options)
    }
}

impl CListenOptions {
    /// # Safety
    /// Its strings are NULL or end with a NUL.
    pub unsafe fn options(&self) -> Result<ListenOptions, Failure> {
        let mut options = ListenOptions::default();
        options.delay_ms = given(self.delay_ms);
        options.pause_ms = given(self.pause_ms).unwrap_or(options.pause_ms);
        options.recall_ms = given(self.recall_ms);
        options.phrase_bonus = given(self.phrase_bonus).unwrap_or(options.phrase_bonus);
        // SAFETY: required of the caller.
        let lines = unsafe { name(self.phrases) }?.unwrap_or_default().lines().map(str::trim);
        options.phrases = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
        // SAFETY: as above.
        options.language = unsafe { name(self.language) }?.map(str::to_owned);
        Ok(options)
    }
}

impl CLiveOptions {
    /// # Safety
    /// Its strings are NULL or end with a NUL.
    pub unsafe fn options(&self) -> Result<LiveOptions, Failure> {
        let [keep_alive, governor] = flags(self.flags)?;
        let mut device = DeviceOptions::default();
        device.period_ms = given(self.period_ms).unwrap_or(device.period_ms);
        // SAFETY: required of the caller.
        if let Some(id) = unsafe { name(self.device) }? {
            device.device = DeviceChoice::Id(id.to_owned());
        }
        let mut options = LiveOptions::default().keep_alive(keep_alive).governor(governor).device(device);
        options.session = SessionOptions::default().context(context(self.context));
        options.ring_ms = given(self.ring_ms);
        options.stuck_ms = given(self.stuck_ms).map(u64::from);
        options.start_frames = given(self.start_frames).map(|frames| frames as usize);
        Ok(options)
    }
}

//! MP3 (ISO 13818-3, layer III), by the system's LAME. In: samples. Out: frames of 64 kbit/s, the first of them some 50 ms behind.
//!
//! LAME is LGPL and no part of this program: it is loaded where it is there (`libmp3lame0` of Debian), when mp3 is first asked for.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_short, c_uchar, c_void};
use std::io;
use std::ptr::NonNull;
use std::sync::OnceLock;

use libloading::Library;
use syrinx::to_i16;

/// The interface of LAME 3.90 and later (lame.h).
const FILE: &str = "libmp3lame.so.0";
const KBITS_PER_SECOND: c_int = 64;
/// Of 0 (best) to 9; from here on LAME's choice for speed.
const QUALITY: c_int = 4;
/// `MONO` of `MPEG_mode`.
const MONO: c_int = 3;

type Settings = *mut c_void;
type Set = unsafe extern "C" fn(Settings, c_int) -> c_int;

struct Lame {
    init: unsafe extern "C" fn() -> Settings,
    setters: Vec<(Set, Setting)>,
    ready: unsafe extern "C" fn(Settings) -> c_int,
    encode: unsafe extern "C" fn(Settings, *const c_short, *const c_short, c_int, *mut c_uchar, c_int) -> c_int,
    flush: unsafe extern "C" fn(Settings, *mut c_uchar, c_int) -> c_int,
    close: unsafe extern "C" fn(Settings) -> c_int,
    /// What all of these lie in.
    _library: Library,
}

#[derive(Clone, Copy)]
enum Setting {
    Rate,
    Is(c_int),
}

impl Lame {
    fn load() -> Result<Self, libloading::Error> {
        // SAFETY: the file is the system's LAME, whose initialisers touch nothing of this program. Each symbol has the type
        // that lame.h gives it since 3.90, and none is called after `_library` is gone, since they are fields of one struct.
        unsafe {
            let library = Library::new(FILE)?;
            let mut setters = Vec::new();
            for (name, setting) in [
                ("lame_set_in_samplerate", Setting::Rate),
                ("lame_set_out_samplerate", Setting::Rate),
                ("lame_set_num_channels", Setting::Is(1)),
                ("lame_set_mode", Setting::Is(MONO)),
                ("lame_set_brate", Setting::Is(KBITS_PER_SECOND)),
                ("lame_set_quality", Setting::Is(QUALITY)),
                // A stream: no frame at the start that is filled in at the end, and none that borrows of the one before.
                ("lame_set_bWriteVbrTag", Setting::Is(0)),
                ("lame_set_disable_reservoir", Setting::Is(1)),
            ] {
                setters.push((*library.get(name.as_bytes())?, setting));
            }
            Ok(Self {
                init: *library.get(b"lame_init")?,
                setters,
                ready: *library.get(b"lame_init_params")?,
                encode: *library.get(b"lame_encode_buffer")?,
                flush: *library.get(b"lame_encode_flush")?,
                close: *library.get(b"lame_close")?,
                _library: library,
            })
        }
    }
}

fn lame() -> Option<&'static Lame> {
    static LAME: OnceLock<Option<Lame>> = OnceLock::new();
    let load = || Lame::load().inspect_err(|e| log::info!("no mp3: {e} (Debian's libmp3lame0 has it)")).ok();
    LAME.get_or_init(load).as_ref()
}

/// Whether mp3 can be made here.
pub fn is_here() -> bool {
    lame().is_some()
}

/// One sound's encoder.
pub struct Mp3 {
    lame: &'static Lame,
    settings: NonNull<c_void>,
}

impl Mp3 {
    /// Errors: no LAME, or a rate that it does not have.
    pub fn new(rate_hz: u32) -> io::Result<Self> {
        let lame = lame().ok_or_else(|| io::Error::other(format!("{FILE} is not here")))?;
        // SAFETY: it takes nothing, and gives settings of its own or null.
        let settings = NonNull::new(unsafe { (lame.init)() }).ok_or_else(|| io::Error::other("LAME does not begin"))?;
        let mp3 = Self { lame, settings };
        let rate = c_int::try_from(rate_hz).unwrap_or(c_int::MAX);
        for (set, setting) in &lame.setters {
            let value = match setting {
                Setting::Rate => rate,
                Setting::Is(value) => *value,
            };
            // SAFETY: the settings are alive until `mp3` is dropped. A value that LAME does not have it refuses by a number.
            if unsafe { set(settings.as_ptr(), value) } < 0 {
                return Err(io::Error::other("LAME refuses a setting"));
            }
        }
        // SAFETY: as above.
        match unsafe { (lame.ready)(settings.as_ptr()) } {
            0.. => Ok(mp3),
            code => Err(io::Error::other(format!("LAME's error {code}"))),
        }
    }

    pub fn block(&mut self, samples: &[f32]) -> io::Result<Vec<u8>> {
        let samples: Vec<c_short> = samples.iter().map(|&sample| to_i16(sample)).collect();
        let count = c_int::try_from(samples.len()).map_err(io::Error::other)?;
        self.written(samples.len(), |bytes, size| {
            // SAFETY: `count` samples lie at the pointer, which stands for the second channel too and is not read for it; at
            // most `size` bytes are written. One owner: no other call with these settings is under way.
            unsafe {
                (self.lame.encode)(self.settings.as_ptr(), samples.as_ptr(), samples.as_ptr(), count, bytes, size)
            }
        })
    }

    /// What LAME has held back; its last frame is filled up with silence.
    pub fn end(self) -> io::Result<Vec<u8>> {
        // SAFETY: at most `size` bytes are written; one owner, as above.
        self.written(0, |bytes, size| unsafe { (self.lame.flush)(self.settings.as_ptr(), bytes, size) })
    }

    /// Room for what so many samples can become (lame.h: 1.25 bytes a sample, and 7,200), and how much of it they are.
    fn written(&self, samples: usize, write: impl FnOnce(*mut u8, c_int) -> c_int) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; samples + samples / 4 + 7_201];
        let size = c_int::try_from(bytes.len()).map_err(io::Error::other)?;
        let code = write(bytes.as_mut_ptr(), size);
        bytes.truncate(usize::try_from(code).map_err(|_| io::Error::other(format!("LAME's error {code}")))?);
        Ok(bytes)
    }
}

impl Drop for Mp3 {
    fn drop(&mut self) {
        // SAFETY: the settings came from `lame_init`, are not used again, and are given back once.
        unsafe { (self.lame.close)(self.settings.as_ptr()) };
    }
}

//! PCM as a file or a stream. In: blocks of `f32`. Out: 16-bit mono WAV, or raw little-endian samples.

use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// `round(clamp(x, -1, 1) * 32767)`.
pub fn to_i16(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * 32767.0).round() as i16
}

/// A WAV file that appears under its name when it is complete.
pub struct WavFile {
    writer: hound::WavWriter<BufWriter<std::fs::File>>,
    partial: PathBuf,
    path: PathBuf,
    done: bool,
}

impl std::fmt::Debug for WavFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl WavFile {
    /// Errors: `Io` where the path cannot be written.
    pub fn create(path: &Path, sample_rate_hz: u32) -> Result<Self> {
        let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
        if name.is_empty() || path.is_dir() {
            let message = format!("cannot write {}: it is not a file name", path.display());
            return Err(Error::new(ErrorKind::Io, message));
        }
        name.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(name);
        let file = std::fs::File::create(&partial).map_err(|e| Error::io("write", path, e))?;
        let writer =
            hound::WavWriter::new(BufWriter::new(file), spec(sample_rate_hz)).map_err(|e| hound_error(path, e));
        let writer = writer.inspect_err(|_| drop(std::fs::remove_file(&partial)))?;
        Ok(Self { writer, partial, path: path.to_owned(), done: false })
    }

    /// Errors: `Io`.
    pub fn write(&mut self, pcm: &[f32]) -> Result<()> {
        write_samples(&mut self.writer, pcm).map_err(|e| hound_error(&self.path, e))
    }

    /// Completes the file. Errors: `Io`.
    pub fn finish(mut self) -> Result<()> {
        self.writer.flush().map_err(|e| hound_error(&self.path, e))?;
        std::fs::rename(&self.partial, &self.path).map_err(|e| Error::io("write", &self.path, e))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for WavFile {
    fn drop(&mut self) {
        if !self.done {
            let _ = std::fs::remove_file(&self.partial); // nothing half-written stays; there is nobody to tell
        }
    }
}

/// A whole WAV file in memory, for a standard output that cannot be rewound. Errors: `Io`.
pub fn wav_bytes(pcm: &[f32], sample_rate_hz: u32) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let path = Path::new("standard output");
    let mut writer = hound::WavWriter::new(&mut bytes, spec(sample_rate_hz)).map_err(|e| hound_error(path, e))?;
    write_samples(&mut writer, pcm).map_err(|e| hound_error(path, e))?;
    writer.finalize().map_err(|e| hound_error(path, e))?;
    Ok(bytes.into_inner())
}

/// Little-endian 16-bit samples. Errors: the stream's.
pub fn write_s16le(out: &mut impl Write, pcm: &[f32]) -> std::io::Result<()> {
    for &sample in pcm {
        out.write_all(&to_i16(sample).to_le_bytes())?;
    }
    out.flush()
}

fn spec(sample_rate_hz: u32) -> hound::WavSpec {
    let sample_format = hound::SampleFormat::Int;
    hound::WavSpec { channels: 1, sample_rate: sample_rate_hz, bits_per_sample: 16, sample_format }
}

fn write_samples<W: Write + Seek>(writer: &mut hound::WavWriter<W>, pcm: &[f32]) -> hound::Result<()> {
    pcm.iter().try_for_each(|&sample| writer.write_sample(to_i16(sample)))
}

fn hound_error(path: &Path, e: hound::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write {}: {e}", path.display())).with_source(e)
}

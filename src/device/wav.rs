//! PCM as a file or a stream. In: blocks of `f32`. Out: 16-bit mono WAV, or raw little-endian samples.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::write::Beside;

/// A sample as a 16-bit integer, as in files and streams: `round(clamp(x, -1, 1) * 32767)`.
pub fn to_i16(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * 32767.0).round() as i16
}

/// A WAV file that appears under its name when it is complete. Where the name is that of something else than a file, a
/// pipe or a device, it is written there when it is complete: its header comes first and names the length.
pub struct WavFile {
    place: Place,
    path: PathBuf,
}

enum Place {
    Beside { writer: hound::WavWriter<BufWriter<File>>, beside: Beside },
    Through { out: Box<dyn Write + Send>, samples: Vec<f32>, sample_rate_hz: u32 },
}

impl std::fmt::Debug for WavFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl WavFile {
    /// Errors: `Io` where the path cannot be written.
    pub fn create(path: &Path, sample_rate_hz: u32) -> Result<Self> {
        if is_standard_output(path) {
            return Self::standard_output(sample_rate_hz);
        }
        let failed = |e| Error::io("write", path, e);
        match std::fs::metadata(path) {
            Ok(there) if there.is_dir() => {
                let message = format!("cannot write {}: it is a folder, not a file name", path.display());
                Err(Error::new(ErrorKind::Io, message))
            }
            Ok(there) if !there.is_file() => {
                let out = File::options().write(true).open(path).map_err(failed)?;
                Ok(Self::through(Box::new(out), path, sample_rate_hz))
            }
            _ => {
                // What a link points at is written; the link stays.
                let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                let (beside, file) = Beside::create(&target).map_err(failed)?;
                let writer = hound::WavWriter::new(BufWriter::new(file), spec(sample_rate_hz));
                let writer = writer.map_err(|e| hound_error(path, e))?;
                Ok(Self { place: Place::Beside { writer, beside }, path: path.to_owned() })
            }
        }
    }

    /// To standard output. Errors: `Io` where that is closed.
    pub fn standard_output(sample_rate_hz: u32) -> Result<Self> {
        let name = Path::new("standard output");
        let out = standard_output().map_err(|e| Error::io("write", name, e))?;
        Ok(Self::through(out, name, sample_rate_hz))
    }

    fn through(out: Box<dyn Write + Send>, path: &Path, sample_rate_hz: u32) -> Self {
        Self { place: Place::Through { out, samples: Vec::new(), sample_rate_hz }, path: path.to_owned() }
    }

    /// Errors: `Io`.
    pub fn write(&mut self, pcm: &[f32]) -> Result<()> {
        match &mut self.place {
            Place::Beside { writer, .. } => write_samples(writer, pcm).map_err(|e| hound_error(&self.path, e)),
            Place::Through { samples, .. } => {
                samples.extend_from_slice(pcm);
                Ok(())
            }
        }
    }

    /// Completes the file. Errors: `Io`.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        match self.place {
            Place::Beside { mut writer, beside } => {
                writer.flush().map_err(|e| hound_error(&path, e))?;
                beside.publish().map_err(|e| Error::io("write", &path, e))
            }
            Place::Through { mut out, samples, sample_rate_hz } => {
                let bytes = wav_bytes(&samples, sample_rate_hz).map_err(|e| hound_error(&path, e))?;
                out.write_all(&bytes).and_then(|()| out.flush()).map_err(|e| Error::io("write", &path, e))
            }
        }
    }
}

/// Names of this process's standard output. They must not be opened anew: where it is a file, that would begin at its
/// beginning again.
fn is_standard_output(path: &Path) -> bool {
    cfg!(unix) && ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Standard output without the buffer of whole lines that text has. Errors: the system's.
pub fn standard_output() -> std::io::Result<Box<dyn Write + Send>> {
    #[cfg(unix)]
    return Ok(Box::new(File::from(std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned()?)));
    #[cfg(not(unix))]
    return Ok(Box::new(std::io::stdout()));
}

/// Little-endian 16-bit samples, a block in one write. Errors: the stream's.
pub fn write_s16le(out: &mut impl Write, pcm: &[f32]) -> std::io::Result<()> {
    let bytes: Vec<u8> = pcm.iter().flat_map(|&sample| to_i16(sample).to_le_bytes()).collect();
    out.write_all(&bytes)?;
    out.flush()
}

/// A whole WAV file in memory, for an output that cannot be rewound.
fn wav_bytes(pcm: &[f32], sample_rate_hz: u32) -> hound::Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec(sample_rate_hz))?;
    write_samples(&mut writer, pcm)?;
    writer.finalize()?;
    Ok(bytes.into_inner())
}

fn spec(sample_rate_hz: u32) -> hound::WavSpec {
    let sample_format = hound::SampleFormat::Int;
    hound::WavSpec { channels: 1, sample_rate: sample_rate_hz, bits_per_sample: 16, sample_format }
}

fn write_samples<W: Write + Seek>(writer: &mut hound::WavWriter<W>, pcm: &[f32]) -> hound::Result<()> {
    pcm.iter().try_for_each(|&sample| writer.write_sample(to_i16(sample)))
}

fn hound_error(path: &Path, e: hound::Error) -> Error {
    if let hound::Error::IoError(e) = e {
        return Error::io("write", path, e);
    }
    Error::new(ErrorKind::Io, format!("cannot write {}: {e}", path.display())).with_source(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers how much came with each write.
    struct Writes(Vec<usize>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_block_of_samples_is_one_write() {
        let mut out = Writes(Vec::new());
        write_s16le(&mut out, &[0.25; 1920]).unwrap();
        write_s16le(&mut out, &[-1.5, 1.5]).unwrap();
        assert_eq!(out.0, [2 * 1920, 4]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_what_it_points_at_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file.wav"), folder.path().join("link.wav"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut wav = WavFile::create(&link, 24_000).unwrap();
        wav.write(&[0.5; 10]).unwrap();
        wav.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(hound::WavReader::open(&file).unwrap().duration(), 10);
    }

    #[test]
    fn a_folder_is_no_file_name() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), &folder.path().join("..")] {
            assert_eq!(WavFile::create(path, 24_000).unwrap_err().kind(), ErrorKind::Io);
        }
    }

    #[test]
    fn the_names_of_standard_output_are_known() {
        assert_eq!(is_standard_output(Path::new("/dev/stdout")), cfg!(unix));
        assert!(!is_standard_output(Path::new("/dev/null")) && !is_standard_output(Path::new("stdout")));
    }
}

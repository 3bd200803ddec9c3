//! PCM as a file or a stream. In: blocks of `f32`. Out: 16-bit mono WAV, or raw little-endian samples.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::provenance;
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
    sample_rate_hz: u32,
}

enum Place {
    Beside { out: BufWriter<File>, beside: Beside, samples: usize },
    Through { out: Box<dyn Write + Send>, samples: Vec<f32> },
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
                let mut out = BufWriter::new(file);
                out.write_all(&head(sample_rate_hz, None)).map_err(failed)?;
                Ok(Self { place: Place::Beside { out, beside, samples: 0 }, path: path.to_owned(), sample_rate_hz })
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
        Self { place: Place::Through { out, samples: Vec::new() }, path: path.to_owned(), sample_rate_hz }
    }

    /// Errors: `Io`.
    pub fn write(&mut self, pcm: &[f32]) -> Result<()> {
        match &mut self.place {
            Place::Beside { out, samples, .. } => {
                *samples += pcm.len();
                out.write_all(&s16le(pcm)).map_err(|e| Error::io("write", &self.path, e))
            }
            Place::Through { samples, .. } => {
                samples.extend_from_slice(pcm);
                Ok(())
            }
        }
    }

    /// Completes the file. Errors: `Io`.
    pub fn finish(self) -> Result<()> {
        let rate_hz = self.sample_rate_hz;
        let written = match self.place {
            Place::Beside { mut out, beside, samples } => out
                .seek(SeekFrom::Start(0))
                .and_then(|_| out.write_all(&head(rate_hz, Some(samples))))
                .and_then(|()| out.flush())
                .and_then(|()| beside.publish()),
            Place::Through { mut out, samples } => out
                .write_all(&head(rate_hz, Some(samples.len())))
                .and_then(|()| out.write_all(&s16le(&samples)))
                .and_then(|()| out.flush()),
        };
        written.map_err(|e| Error::io("write", &self.path, e))
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
    out.write_all(&s16le(pcm))?;
    out.flush()
}

fn s16le(pcm: &[f32]) -> Vec<u8> {
    pcm.iter().flat_map(|&sample| to_i16(sample).to_le_bytes()).collect()
}

/// The head of a WAV file of 16 bits and one channel, up to its first sample: its form, where its sound comes from, its length.
/// Where the length is not known it is the largest, as OpenAI streams it.
pub fn head(sample_rate_hz: u32, samples: Option<usize>) -> Vec<u8> {
    let data = samples.and_then(|samples| u32::try_from(2 * samples).ok()).unwrap_or(u32::MAX);
    let mut form = b"WAVEfmt ".to_vec();
    form.extend(16u32.to_le_bytes());
    form.extend(1u16.to_le_bytes()); // integers
    form.extend(1u16.to_le_bytes());
    form.extend(sample_rate_hz.to_le_bytes());
    form.extend((2 * sample_rate_hz).to_le_bytes());
    form.extend(2u16.to_le_bytes());
    form.extend(16u16.to_le_bytes());
    form.extend(provenance::wav_chunk());
    form.extend(b"data");
    form.extend(data.to_le_bytes());
    let length = data.saturating_add(u32::try_from(form.len()).unwrap_or(u32::MAX));
    [b"RIFF", &length.to_le_bytes()[..], &form].concat()
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
    fn a_file_says_that_it_is_synthetic_and_how_long_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut wav = WavFile::create(&path, 24_000).unwrap();
        [100, 1, 2000].iter().for_each(|&samples| wav.write(&vec![0.25; samples]).unwrap());
        wav.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes, [head(24_000, Some(2101)), s16le(&[0.25; 2101])].concat());
        assert_eq!(bytes[4..8], (bytes.len() as u32 - 8).to_le_bytes());
        for text in [provenance::SOFTWARE, provenance::STATEMENT, provenance::SOURCE_TYPE] {
            assert!(bytes.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
        }
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!((reader.spec().sample_rate, reader.duration()), (24_000, 2101));
        assert!(reader.samples::<i16>().all(|sample| sample.unwrap() == to_i16(0.25)));
    }

    #[test]
    fn the_names_of_standard_output_are_known() {
        assert_eq!(is_standard_output(Path::new("/dev/stdout")), cfg!(unix));
        assert!(!is_standard_output(Path::new("/dev/null")) && !is_standard_output(Path::new("stdout")));
    }
}

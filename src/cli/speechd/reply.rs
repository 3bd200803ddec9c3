//! What the module says. In: lines, samples. Out: the server's protocol, complete after each call.

use std::io::{self, BufWriter, Write};

use syrinx::to_i16;

/// Stands before a byte that would end a line, or is itself; that byte is changed by [`FLIP`].
const ESCAPE: u8 = 0x7d;
const FLIP: u8 = 0x20;
/// Samples of a block: the server's own modules send no more than 10,000 bytes at once.
const MOST_SAMPLES: usize = 4_800;

pub struct Reply<W: Write> {
    out: BufWriter<W>,
}

impl<W: Write> Reply<W> {
    pub fn new(out: W) -> Self {
        Self { out: BufWriter::new(out) }
    }

    pub fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// Samples, full scale ±1, as 16-bit integers.
    pub fn sound(&mut self, samples: &[f32], rate_hz: u32) -> io::Result<()> {
        for part in samples.chunks(MOST_SAMPLES) {
            write!(self.out, "705-bits=16\n705-num_channels=1\n705-sample_rate={rate_hz}\n")?;
            write!(self.out, "705-num_samples={}\n705-big_endian=0\n705-AUDIO\0", part.len())?;
            for byte in part.iter().flat_map(|sample| to_i16(*sample).to_le_bytes()) {
                match byte {
                    ESCAPE | b'\n' => self.out.write_all(&[ESCAPE, byte ^ FLIP])?,
                    _ => self.out.write_all(&[byte])?,
                }
            }
            self.out.write_all(b"\n705 AUDIO\n")?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_would_end_a_line_are_escaped_and_no_others() {
        let of = |value: i16| f32::from(value) / 32767.0;
        let mut out = Vec::new();
        Reply::new(&mut out).sound(&[of(0x0a0a), of(0x7d41), of(-1)], 24_000).unwrap();
        let head =
            b"705-bits=16\n705-num_channels=1\n705-sample_rate=24000\n705-num_samples=3\n705-big_endian=0\n705-AUDIO\0";
        let sound = [0x7d, 0x2a, 0x7d, 0x2a, 0x41, 0x7d, 0x5d, 0xff, 0xff];
        assert_eq!(out, [&head[..], &sound, b"\n705 AUDIO\n"].concat());
    }

    #[test]
    fn a_long_block_is_divided() {
        let mut out = Vec::new();
        Reply::new(&mut out).sound(&vec![0.0; MOST_SAMPLES + 1], 24_000).unwrap();
        let heads = String::from_utf8(out).unwrap();
        assert!(heads.contains("num_samples=4800\n") && heads.contains("num_samples=1\n"));
    }
}

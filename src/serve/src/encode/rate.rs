//! From the pack's rate to the one that a client asked for. In: blocks of any length. Out: about as much time at that rate, with
//! no more than 20 ms held back.

use syrinx::lab::device::rate::RateConverter;

/// Pieces of a second that are converted at once.
const PIECES_HZ: u32 = 50;

pub struct Rate {
    converter: RateConverter,
    piece: usize,
    waiting: Vec<f32>,
}

impl Rate {
    /// Errors: a rate that cannot be reached.
    pub fn new(from_hz: u32, to_hz: u32) -> syrinx::Result<Self> {
        let piece = (from_hz / PIECES_HZ).max(1) as usize;
        Ok(Self { converter: RateConverter::new(from_hz, to_hz, piece)?, piece, waiting: Vec::new() })
    }

    pub fn block(&mut self, samples: &[f32]) -> syrinx::Result<Vec<f32>> {
        self.waiting.extend_from_slice(samples);
        let whole = self.waiting.len() / self.piece * self.piece;
        let mut out = Vec::new();
        for piece in self.waiting.drain(..whole).as_slice().chunks_exact(self.piece) {
            out.extend_from_slice(self.converter.convert(piece)?);
        }
        Ok(out)
    }

    /// What is held back, at the end of a sound: as long as the samples that are left.
    pub fn end(&mut self) -> syrinx::Result<Vec<f32>> {
        let (left, piece) = (self.waiting.len(), self.piece);
        if left == 0 {
            return self.converter.flush();
        }
        let padding = piece - left;
        let mut out = self.block(&vec![0.0; padding])?;
        out.extend(self.converter.flush()?);
        let (from_hz, to_hz) = self.converter.rates_hz();
        let surplus = padding as u64 * u64::from(to_hz) / u64::from(from_hz);
        out.truncate(out.len().saturating_sub(surplus as usize));
        Ok(out)
    }
}

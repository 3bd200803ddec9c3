//! What is fed back: the sum of one row of the audio table for each code of a frame (Voxtral specification section 4.2).

use syrinx_quant::shape::Audio;

use crate::error::Result;
use crate::frame::Frame;
use crate::kernel::ops;
use crate::pack::{Pack, Table};

/// The audio table and its layout.
#[derive(Debug)]
pub struct FrameEmbedding {
    table: Table,
    audio: Audio,
}

impl FrameEmbedding {
    /// Errors: `BadPack`.
    pub fn open(pack: &Pack) -> Result<Self> {
        let (audio, dim) = (pack.shape().audio.clone(), pack.shape().dim);
        let name = "mm_audio_embeddings.audio_codebook_embeddings.embeddings.weight";
        Ok(Self { table: Table::open(pack.speech(), name, audio.audio_rows, dim)?, audio })
    }

    /// Bytes of a code's row.
    pub fn row_bytes(&self) -> usize {
        self.table.row_bytes()
    }

    /// Writes the frame's embedding to `out`, `[dim]`. Errors: `BadPack` for a code beyond the table.
    pub fn embed(&mut self, frame: &Frame, out: &mut [f32]) -> Result<()> {
        out.fill(0.0);
        for (k, &code) in frame.codes.iter().enumerate() {
            ops::add(out, self.table.row(self.audio.offset(k) + usize::from(code))?);
        }
        Ok(())
    }
}

//! A frame: what the generator emits and the codec receives, 80 ms of speech as integer codes.
//!
//! In: semantic logits and the flow head's end point. Out: codes with the offset of the two special codes, as they are
//! fed back to the backbone (Voxtral specification sections 5.1 and 5.4).

use heapless::Vec as FixedVec;
use syrinx_quant::shape::{Audio, SPECIAL_CODES};

/// Most codes a frame can hold. A frame has a fixed size so that rings can carry it; a model with more codes is
/// refused when its pack is opened.
pub const MAX_CODES: usize = 64;

/// Special codes of every codebook: no sound, and the end of the utterance.
pub const EMPTY: u16 = 0;
pub const END: u16 = 1;

/// One frame's codes: the semantic one first, then the acoustic ones. All are shifted by two ([`EMPTY`], [`END`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub codes: FixedVec<u16, MAX_CODES>,
}

impl Frame {
    /// A frame of the given codes, offset included, or `None` for more than [`MAX_CODES`].
    pub fn from_codes(codes: &[u16]) -> Option<Self> {
        Some(Self { codes: FixedVec::from_slice(codes).ok()? })
    }

    /// The semantic code with its offset; 0 in a frame without codes.
    pub fn semantic(&self) -> u16 {
        self.codes.first().copied().unwrap_or(EMPTY)
    }

    pub fn is_end(&self) -> bool {
        self.semantic() == END
    }
}

/// What the semantic head decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semantic {
    /// Code with offset; [`END`] stops the utterance.
    pub code: u16,
    /// END was the largest but not allowed, so that the second choice is `code`.
    pub end_withheld: bool,
}

/// The largest allowed logit; the lowest index on a tie. EMPTY and the padding rows are never allowed, END unless
/// `forbid_end` (section 5.1).
pub fn choose_semantic(logits: &[f32], audio: &Audio, forbid_end: bool) -> Semantic {
    let rows = audio.semantic_rows().min(logits.len());
    let largest = |range: std::ops::Range<usize>| {
        range.fold((END as usize, f32::NEG_INFINITY), |best, i| if logits[i] > best.1 { (i, logits[i]) } else { best })
    };
    let code = largest(SPECIAL_CODES.min(rows)..rows);
    let end_wins = logits.get(END as usize).is_some_and(|&end| end >= code.1);
    match end_wins && !forbid_end {
        true => Semantic { code: END, end_withheld: false },
        false => Semantic { code: code.0 as u16, end_withheld: end_wins },
    }
}

/// The code nearest to `x`, with offset: `round((clamp(x, -1, 1) + 1) / 2 * (levels - 1)) + 2`, half to even
/// (section 5.4).
pub fn quantise_acoustic(x: f32, audio: &Audio) -> u16 {
    let top = (audio.acoustic_codebook_size - 1) as f32;
    ((x.clamp(-1.0, 1.0) + 1.0) / 2.0 * top).round_ties_even() as u16 + SPECIAL_CODES as u16
}

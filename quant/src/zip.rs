//! The little of the zip format that PyTorch archives need. In: bytes that may be anything. Out: the names of the
//! entries and the bytes of stored ones. No decompression, no allocation beyond one name per entry, no panic.
//! Layout: APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end record). PyTorch adds the
//! 64-bit end record; its archives are below 4 GiB, so the 32-bit fields hold.

use crate::error::{Result, corrupt, truncated, unsupported};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
/// The end record may be followed by a comment of this length.
const MAX_COMMENT: usize = 65535;

/// An archive's central directory.
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    pub entries: Vec<Entry>,
}

pub(crate) struct Entry {
    pub name: String,
    method: u16,
    encrypted: bool,
    size: usize,
    offset: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<usize> {
    let field = bytes.get(at..).and_then(|b| b.first_chunk());
    field.map(|b| usize::from(u16::from_le_bytes(*b))).ok_or_else(cut_short)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let field = bytes.get(at..).and_then(|b| b.first_chunk());
    field.map(|b| u32::from_le_bytes(*b)).ok_or_else(cut_short)
}

fn cut_short() -> crate::Error {
    truncated("the archive is cut short: copy it again")
}

impl<'a> Archive<'a> {
    /// Errors: `Truncated`, `Corrupt`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let end = find_end(bytes)?;
        let count = u16_at(bytes, end + 10)?;
        let mut rest = bytes.get(u32_at(bytes, end + 16)? as usize..end).ok_or_else(cut_short)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            if u32_at(rest, 0)? != CENTRAL {
                return Err(corrupt("the archive's directory is damaged: copy it again"));
            }
            let (name_size, extra, comment) = (u16_at(rest, 28)?, u16_at(rest, 30)?, u16_at(rest, 32)?);
            let name = rest.get(CENTRAL_SIZE..CENTRAL_SIZE + name_size).ok_or_else(cut_short)?;
            entries.push(Entry {
                name: String::from_utf8_lossy(name).into_owned(),
                method: u16_at(rest, 10)? as u16,
                encrypted: u16_at(rest, 8)? & 1 == 1,
                size: u32_at(rest, 24)? as usize,
                offset: u32_at(rest, 42)? as usize,
            });
            rest = rest.get(CENTRAL_SIZE + name_size + extra + comment..).ok_or_else(cut_short)?;
        }
        Ok(Self { bytes, entries })
    }

    /// The bytes of a stored entry. Errors: `Unsupported` (compressed or encrypted), `Truncated`, `Corrupt`.
    pub fn stored(&self, entry: &Entry) -> Result<&'a [u8]> {
        let name = &entry.name;
        if entry.method != 0 || entry.encrypted {
            return Err(unsupported(format!("entry {name} is not stored as it is, as PyTorch does: save it again")));
        }
        let local = self.bytes.get(entry.offset..).ok_or_else(cut_short)?;
        if u32_at(local, 0)? != LOCAL {
            return Err(corrupt(format!("the archive is damaged at entry {name}: copy it again")));
        }
        let start = LOCAL_SIZE + u16_at(local, 26)? + u16_at(local, 28)?;
        local.get(start..).and_then(|data| data.get(..entry.size)).ok_or_else(cut_short)
    }
}

/// The place of the end record: the last one whose comment reaches exactly to the end.
fn find_end(bytes: &[u8]) -> Result<usize> {
    let last = bytes.len().checked_sub(END_SIZE).ok_or_else(cut_short)?;
    let first = last.saturating_sub(MAX_COMMENT);
    (first..=last)
        .rev()
        .find(|&at| {
            let comment = u16_at(bytes, at + 20).ok();
            u32_at(bytes, at).is_ok_and(|sign| sign == END) && comment == bytes.len().checked_sub(at + END_SIZE)
        })
        .ok_or_else(|| corrupt("not a PyTorch archive, or cut short: copy it again"))
}

//! What remains to be read of a file that may be anything. In: bytes. Out: pieces of them, or where the file ends. No length
//! is believed before it is compared with what remains.

use crate::error::{Result, truncated};

pub(crate) struct Cursor<'a> {
    pub rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The next bytes; `what` they are of. Errors: `Truncated`.
    pub fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| truncated(format!("the file ends within {what}: copy it again")))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    pub fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }
}

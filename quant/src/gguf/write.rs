//! The streaming writer. In: metadata and the list of tensors, then each tensor's bytes in any chunks. Out: a GGUF
//! file, written front to back without seeking, so that it can be hashed on the way and never lies in memory.

use std::io::Write;

use super::value::{Value, encode_str};
use super::{ALIGNMENT, MAX_DIMENSIONS, TensorSpec, VERSION};
use crate::error::{Error, Result, corrupt, misshapen};

/// Writes one file; [`Writer::finish`] must be called.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    tensors: Vec<TensorSpec>,
    /// Index of the tensor that is being written.
    current: usize,
    /// Bytes of it that are still to come.
    remaining: usize,
}

impl<W: Write> Writer<W> {
    /// Writes the head. Errors: `Io`; `Shape` and `Corrupt` where the list itself is wrong.
    pub fn new(mut out: W, metadata: &[(String, Value)], tensors: Vec<TensorSpec>) -> Result<Self> {
        let mut head = Vec::from(*b"GGUF");
        head.extend(VERSION.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata {
            encode_str(key, &mut head);
            value.encode(&mut head);
        }
        let mut offset = 0usize;
        let mut names = std::collections::HashSet::new();
        for tensor in &tensors {
            let name = &tensor.name;
            if tensor.shape.is_empty() || tensor.shape.len() > MAX_DIMENSIONS || tensor.shape.contains(&0) {
                return Err(misshapen(format!("tensor {name}: GGUF cannot hold shape {:?}", tensor.shape)));
            }
            if !names.insert(name) {
                return Err(corrupt(format!("tensor {name} is listed twice")));
            }
            encode_str(name, &mut head);
            head.extend((tensor.shape.len() as u32).to_le_bytes());
            tensor.shape.iter().rev().for_each(|&d| head.extend((d as u64).to_le_bytes()));
            head.extend(tensor.dtype.ggml_id().to_le_bytes());
            head.extend((offset as u64).to_le_bytes());
            offset = tensor
                .bytes()?
                .checked_next_multiple_of(ALIGNMENT)
                .and_then(|size| offset.checked_add(size))
                .ok_or_else(|| misshapen(format!("tensor {name}: the file's size overflows")))?;
        }
        head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
        out.write_all(&head).map_err(Error::write)?;
        let remaining = tensors.first().map_or(Ok(0), TensorSpec::bytes)?;
        Ok(Self { out, tensors, current: 0, remaining })
    }

    /// The tensor that the next bytes belong to, if any are still missing.
    pub fn expects(&self) -> Option<&TensorSpec> {
        self.tensors.get(self.current)
    }

    /// Appends bytes of the current tensor; a chunk may not reach beyond its end. Errors: `Io`, `Shape`.
    pub fn write(&mut self, chunk: &[u8]) -> Result<()> {
        let Some(tensor) = self.tensors.get(self.current) else {
            return Err(misshapen("there is no tensor left to write"));
        };
        let Some(remaining) = self.remaining.checked_sub(chunk.len()) else {
            return Err(misshapen(format!("tensor {}: more bytes than its shape holds", tensor.name)));
        };
        self.out.write_all(chunk).map_err(Error::write)?;
        self.remaining = remaining;
        if remaining == 0 {
            let size = tensor.bytes()?;
            let padding = size.next_multiple_of(ALIGNMENT) - size;
            self.out.write_all(&[0; ALIGNMENT][..padding]).map_err(Error::write)?;
            self.current += 1;
            self.remaining = self.tensors.get(self.current).map_or(Ok(0), TensorSpec::bytes)?;
        }
        Ok(())
    }

    /// Gives the output back. Errors: `Shape`, where a tensor is incomplete; `Io`.
    pub fn finish(mut self) -> Result<W> {
        if let Some(tensor) = self.tensors.get(self.current) {
            return Err(misshapen(format!("tensor {} is not complete", tensor.name)));
        }
        self.out.flush().map_err(Error::write)?;
        Ok(self.out)
    }
}

//! Voices. In: the pack's tensors. Out: the rows that take the place of the prompt's audio tokens, by name.

use std::sync::Arc;

use super::Pack;
use crate::error::{Error, ErrorKind, Result};

/// A voice: the rows that take the place of the prompt's audio tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    pub name: String,
    /// `[rows][dim]`.
    pub rows: Vec<f32>,
}

/// The voices of a pack in memory, the default first.
#[derive(Clone, Debug)]
pub struct Voices(Vec<Arc<Voice>>);

impl Voices {
    /// Errors: `BadPack` for a voice whose rows are not the model's.
    pub(super) fn load(pack: &Pack) -> Result<Self> {
        pack.voices().iter().map(|name| load(pack, name).map(Arc::new)).collect::<Result<_>>().map(Self)
    }

    /// A voice by its name; the default for `None`. Errors: `UnknownVoice`, with the names that exist.
    pub fn get(&self, name: Option<&str>) -> Result<&Arc<Voice>> {
        let found = match name {
            None => self.0.first(),
            Some(name) => self.0.iter().find(|voice| voice.name == name),
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|voice| voice.name.as_str()).collect();
            let message = format!("unknown voice \"{}\": choose {}", name.unwrap_or_default(), names.join(", "));
            Error::new(ErrorKind::UnknownVoice, message)
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Voice>> {
        self.0.iter()
    }
}

fn load(pack: &Pack, name: &str) -> Result<Voice> {
    let tensor = pack.speech().tensor(&format!("voice.{name}"))?;
    match tensor.shape[..] {
        [rows, width] if rows > 0 && width == pack.shape().dim => {}
        _ => {
            let message = format!("voice {name} has shape {:?}, expected rows of {}", tensor.shape, pack.shape().dim);
            return Err(Error::new(ErrorKind::BadPack, format!("{message}: import the pack again")));
        }
    }
    Ok(Voice { name: name.to_owned(), rows: tensor.to_f32()? })
}

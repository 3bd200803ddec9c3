//! Packs for Syrinx: block formats, GGUF, checkpoint import, synthetic packs.
//!
//! ```text
//! consolidated.safetensors ─► checkpoint ─┐
//! params.json ─► params ─► Shape ─────────┤
//! tekken.json ─► tekken ──────────────────┼─► import ─► recipe ─► block ─► gguf ─► pack folder
//! voice_embedding/* ─► voice ─────────────┤                                          │
//! (seed) ─► synthetic ────────────────────┤                                          ▼
//! pack of recipe f32 ─► repack ───────────┘                   runtime: Manifest, GgufFile, Shape ─► report
//! ```
//!
//! A pack that speaks and one that listens (`realtime`) differ in sizes and files, and share the rest.
//!
//! The runtime uses the right-hand side only, which is all that there is without features. Nothing here depends on it.

#[cfg(feature = "write")]
pub mod about;
pub mod block;
#[cfg(feature = "import")]
pub mod checkpoint;
mod cursor;
mod dtype;
mod error;
#[cfg(feature = "import")]
mod fold;
pub mod gguf;
#[cfg(feature = "import")]
pub mod import;
pub mod kquant;
pub mod layout;
pub mod manifest;
mod map;
#[cfg(feature = "write")]
pub mod pack;
#[cfg(feature = "import")]
pub mod params;
pub mod realtime;
pub mod recipe;
#[cfg(feature = "import")]
pub mod repack;
#[cfg(feature = "report")]
pub mod report;
pub mod shape;
#[cfg(feature = "write")]
mod staging;
#[cfg(feature = "synthetic")]
pub mod synthetic;
#[cfg(feature = "write")]
pub mod tekken;
#[cfg(feature = "import")]
pub mod voice;
#[cfg(feature = "write")]
pub mod weights;
pub mod whisper;
#[cfg(feature = "import")]
mod zip;

pub use dtype::DType;
pub use error::{Error, ErrorKind, Result};
pub use gguf::{Gguf, GgufFile, TensorView};
pub use manifest::Manifest;
pub use map::Map;
pub use recipe::Recipe;
pub use shape::Shape;

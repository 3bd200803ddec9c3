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
//! The runtime uses the right-hand side only. Nothing here depends on it.

pub mod about;
pub mod block;
pub mod checkpoint;
mod error;
mod fold;
pub mod gguf;
pub mod import;
pub mod kquant;
pub mod layout;
pub mod manifest;
mod map;
pub mod pack;
pub mod params;
pub mod recipe;
pub mod repack;
pub mod report;
pub mod shape;
mod staging;
pub mod synthetic;
pub mod tekken;
pub mod voice;
pub mod weights;
mod zip;

pub use block::DType;
pub use error::{Error, ErrorKind, Result};
pub use gguf::{Gguf, GgufFile, TensorView};
pub use manifest::Manifest;
pub use map::Map;
pub use recipe::Recipe;
pub use shape::Shape;

//! Packs of Voxtral Realtime, which listen: what is in them, and how they are made (`voxtral-realtime.md`, sections 2.3 and
//! 5.4).

#[cfg(feature = "import")]
mod import;
pub mod layout;
#[cfg(feature = "write")]
mod pack;
#[cfg(feature = "import")]
mod params;

#[cfg(feature = "import")]
pub(crate) use import::{import, is_realtime};
#[cfg(feature = "write")]
pub use pack::{Contents, write};

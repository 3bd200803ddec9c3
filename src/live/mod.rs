//! Speech in real time. In: a model, a device, text in pieces, calls of any thread. Out: sound, and events.
//!
//! ```text
//! push, finish ─► schedule ─► generator thread ─► ring ─► codec thread ─► ring ─► device callback
//! cancel, pause ──────┴────── tickets ──┴────────────────────┴───────────────────────┘
//! ```
//!
//! A clause is the unit of everything: it has a turn in the schedule, a ticket that its packets and samples carry, and
//! a line in the ledger that says how much of it was heard. Whoever takes something back names clauses; what is not
//! named goes on.

mod books;
mod codec;
mod event;
mod generator;
mod heat;
mod lane;
mod ledger;
mod open;
mod pace;
mod packet;
mod render;
mod schedule;
mod shared;
#[cfg(test)]
mod tests;
mod utterance;
mod watch;

pub use codec::Preroll;
pub use event::Event;
pub use lane::{Arrival, Lanes};
pub use open::{Live, LiveOptions};
pub use render::Renderer;
pub use utterance::Utterance;
pub use watch::OpenSink;

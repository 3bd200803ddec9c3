//! The Wyoming protocol, which Home Assistant's voice assistants speak. In: a connection's events. Out: events with speech or
//! text in them, and at the end of each the event that its asker waits for.

mod event;
mod listening;
mod talk;

pub use talk::talk;

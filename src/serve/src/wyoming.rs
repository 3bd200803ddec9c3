//! The Wyoming protocol, which Home Assistant's voice assistants speak. In: a connection's events. Out: events with speech in
//! them, and at the end of each speech the event that its asker waits for.

mod event;
mod talk;

pub use talk::talk;

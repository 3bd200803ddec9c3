//! What speaks of a session. In: nothing. Out: the generator and the codec's state, which a speech takes along.

use std::sync::{Arc, Mutex, PoisonError};

use super::generator::Generator;
use crate::codec::CodecDecoder;

/// Where the state lives while nobody speaks with it. A speech takes it along, and brings it back when it is dropped.
pub(super) type Home = Arc<Mutex<Option<Box<Core>>>>;

/// What a speech works with.
pub(super) struct Core {
    pub generator: Generator,
    pub codec: CodecDecoder,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive() // not its caches
    }
}

/// Brings the state home.
pub(super) fn give_back(home: &Home, core: Box<Core>) {
    *home.lock().unwrap_or_else(PoisonError::into_inner) = Some(core);
}

//! The two bounded paths between threads. In: packets of the generator, samples of the codec. Out: the same, in order,
//! on the next thread, except what a cancel has made stale.
//!
//! Both are single-producer single-consumer rings (`ringbuf`): nobody waits for a lock. Control travels beside the data:
//! packets and samples carry the ticket of their clause, and whoever cuts a clause says so in the ticket's own atomic
//! word ([`tickets`]), which every stage looks at ([`gate`]).

pub mod gate;
#[cfg(test)]
mod tests;
pub mod tickets;

/// Where [`gate`] and [`tickets`] find their atomics; their model test puts a checker's in their place.
mod sync {
    pub use std::sync::Arc;
    pub use std::sync::atomic::{AtomicU64, Ordering};
}

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use gate::{Gate, Mark, Pop, Push, Reader, Writer};

/// Clauses that may begin between two device periods; a writer waits for the reader beyond that.
const MARKS: usize = 64;

/// The codec's end of the sample path.
pub type SampleWriter = Writer<HeapProd<f32>, HeapProd<Mark>>;
/// The device callback's end.
pub type SampleReader = Reader<HeapCons<f32>, HeapCons<Mark>>;

/// A path for `capacity` samples.
pub fn sample_path(gate: std::sync::Arc<Gate>, capacity: usize) -> (SampleWriter, SampleReader) {
    let (samples_in, samples_out) = HeapRb::new(capacity.max(1)).split();
    let (marks_in, marks_out) = HeapRb::new(MARKS).split();
    (Writer::new(samples_in, marks_in, gate.clone()), Reader::new(samples_out, marks_out, gate))
}

impl<T: Copy> Push<T> for HeapProd<T> {
    fn vacant(&self) -> usize {
        self.vacant_len()
    }

    fn push(&mut self, items: &[T]) -> usize {
        self.push_slice(items)
    }
}

impl<T: Copy> Pop<T> for HeapCons<T> {
    fn occupied(&self) -> usize {
        self.occupied_len()
    }

    fn first(&self) -> Option<T> {
        Consumer::first(self).copied()
    }

    fn pop(&mut self, out: &mut [T]) -> usize {
        self.pop_slice(out)
    }

    fn skip(&mut self, count: usize) -> usize {
        Consumer::skip(self, count)
    }
}

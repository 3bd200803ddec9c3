//! Ring and epoch under every order of events that the memory model allows: nothing stale after a cancel, nothing lost
//! without one, no underrun where speech was complete.
//!
//! `src/ring/gate.rs` itself is compiled here, with loom's atomics and small rings made of them. Run alone with
//! `cargo test --release --test loom_ring`.

mod sync {
    pub use loom::sync::Arc;
    pub use loom::sync::atomic::{AtomicU64, Ordering};
}

#[allow(dead_code)] // not all of it has a part in the model
#[path = "../src/ring/gate.rs"]
mod gate;

use gate::{Gate, Mark, Pop, Push, Reader, Run, Writer};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread;

/// A ring that never wraps: slot i holds the i-th item.
struct Ring {
    slots: [AtomicU64; 4],
    pushed: AtomicUsize,
}

struct RingIn(Arc<Ring>);
struct RingOut(Arc<Ring>, usize);

fn ring() -> (RingIn, RingOut) {
    let slots = [0; 4].map(AtomicU64::new);
    let ring = Arc::new(Ring { slots, pushed: AtomicUsize::new(0) });
    (RingIn(ring.clone()), RingOut(ring, 0))
}

/// What a slot can hold.
trait Item: Copy {
    fn to_bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
}

impl Item for f32 {
    fn to_bits(self) -> u64 {
        u64::from(f32::to_bits(self))
    }

    fn from_bits(bits: u64) -> Self {
        f32::from_bits(bits as u32)
    }
}

impl Item for Mark {
    fn to_bits(self) -> u64 {
        self.index << 32 | self.epoch
    }

    fn from_bits(bits: u64) -> Self {
        Mark { index: bits >> 32, epoch: bits & 0xffff_ffff }
    }
}

impl<T: Item> Push<T> for RingIn {
    fn vacant(&self) -> usize {
        4 - self.0.pushed.load(Ordering::Relaxed)
    }

    fn push(&mut self, items: &[T]) -> usize {
        let at = self.0.pushed.load(Ordering::Relaxed);
        for (slot, item) in self.0.slots[at..].iter().zip(items) {
            slot.store(item.to_bits(), Ordering::Relaxed);
        }
        self.0.pushed.store(at + items.len(), Ordering::Release);
        items.len()
    }
}

impl<T: Item> Pop<T> for RingOut {
    fn occupied(&self) -> usize {
        self.0.pushed.load(Ordering::Acquire) - self.1
    }

    fn first(&self) -> Option<T> {
        (Pop::<T>::occupied(self) > 0).then(|| T::from_bits(self.0.slots[self.1].load(Ordering::Relaxed)))
    }

    fn pop(&mut self, out: &mut [T]) -> usize {
        let count = out.len().min(Pop::<T>::occupied(self));
        for item in &mut out[..count] {
            *item = T::from_bits(self.0.slots[self.1].load(Ordering::Relaxed));
            self.1 += 1;
        }
        count
    }

    fn skip(&mut self, count: usize) -> usize {
        self.1 += count;
        count
    }
}

fn path() -> (Arc<Gate>, Writer<RingIn, RingIn>, Reader<RingOut, RingOut>) {
    let gate = Arc::new(Gate::default());
    let ((samples_in, samples_out), (marks_in, marks_out)) = (ring(), ring());
    let writer = Writer::new(samples_in, marks_in, gate.clone());
    (gate.clone(), writer, Reader::new(samples_out, marks_out, gate))
}

/// One callback: takes what is fresh, drops what is stale. A sample's value is its epoch plus one. Says if it ran dry.
fn callback(gate: &Gate, reader: &mut Reader<RingOut, RingOut>, heard: &mut Vec<f32>) -> bool {
    let wanted = gate.epoch();
    let dry = loop {
        match reader.next_run(wanted) {
            Run::Fresh(count) => {
                let mut samples = [0.0; 4];
                let count = reader.pop(&mut samples[..count]);
                let samples = &samples[..count];
                assert!(samples.iter().all(|&x| x >= wanted as f32 + 1.0), "{samples:?} are stale in epoch {wanted}");
                heard.extend_from_slice(samples);
            }
            Run::Stale(0) | Run::Held => break false,
            Run::Stale(count) => {
                let mut samples = [0.0; 4];
                let count = reader.pop(&mut samples[..count]);
                let samples = &samples[..count];
                assert!(samples.iter().all(|&x| x < wanted as f32 + 1.0), "{samples:?} are lost in epoch {wanted}");
            }
            Run::Dry => break true,
        }
    };
    reader.publish(dry);
    dry
}

#[test]
fn without_a_cancel_every_sample_is_heard_and_the_end_is_no_underrun() {
    loom::model(|| {
        let (gate, mut writer, mut reader) = path();
        let speaking = thread::spawn(move || {
            writer.push(&[1.0]);
            writer.hold(); // the clause is complete
            writer.push(&[1.0]);
            writer.hold();
        });
        let mut heard = Vec::new();
        let dry = callback(&gate, &mut reader, &mut heard) | callback(&gate, &mut reader, &mut heard);
        speaking.join().unwrap();
        assert!(!callback(&gate, &mut reader, &mut heard) && !dry, "an underrun where speech was complete");
        assert_eq!(heard, [1.0, 1.0]);
        assert_eq!(gate.taken(), 2);
    });
}

/// Speech of an epoch, and of the next as soon as a cut is seen. Says whether it was.
fn speak(gate: &Gate, writer: &mut Writer<RingIn, RingIn>) -> bool {
    writer.push(&[1.0]);
    writer.release();
    let cut = gate.epoch() == 1;
    if cut {
        assert!(writer.begin(1));
        writer.push(&[2.0]);
        writer.hold();
    }
    cut
}

#[test]
fn after_a_cancel_nothing_stale_is_heard_and_nothing_new_is_lost() {
    loom::model(|| {
        let (gate, mut writer, mut reader) = path();
        let seen = gate.clone();
        let speaking = thread::spawn(move || speak(&seen, &mut writer));
        let mut heard = Vec::new();
        callback(&gate, &mut reader, &mut heard);
        gate.cut(0);
        let before = heard.len();
        callback(&gate, &mut reader, &mut heard);
        assert!(heard[before..].iter().all(|&x| x == 2.0), "stale after the cancel: {heard:?}");
        let spoken = speaking.join().unwrap();
        callback(&gate, &mut reader, &mut heard);
        assert_eq!(heard.iter().filter(|&&x| x == 2.0).count(), usize::from(spoken), "{heard:?}");
    });
}

#[test]
fn speech_that_follows_a_cancel_in_the_midst_of_a_period_is_not_lost() {
    loom::model(|| {
        let (gate, mut writer, mut reader) = path();
        let cutting = gate.clone();
        let speaking = thread::spawn(move || {
            cutting.cut(0);
            assert!(speak(&cutting, &mut writer));
        });
        let mut heard = Vec::new();
        callback(&gate, &mut reader, &mut heard);
        speaking.join().unwrap();
        callback(&gate, &mut reader, &mut heard);
        assert_eq!(heard.iter().filter(|&&x| x == 2.0).count(), 1, "{heard:?}");
    });
}

#[test]
fn a_held_clause_is_not_heard_before_its_release() {
    loom::model(|| {
        let (gate, mut writer, mut reader) = path();
        writer.release(); // what is cut was being heard
        gate.cut(0);
        let speaking = thread::spawn(move || {
            assert!(writer.begin(1));
            writer.push(&[2.0]);
            writer
        });
        let mut heard = Vec::new();
        callback(&gate, &mut reader, &mut heard);
        let writer = speaking.join().unwrap();
        assert!(!callback(&gate, &mut reader, &mut heard), "holding back is no underrun");
        assert!(heard.is_empty(), "heard before the release");
        writer.release();
        callback(&gate, &mut reader, &mut heard);
        assert_eq!(heard, [2.0]);
    });
}

#[test]
fn a_release_is_not_seen_before_its_samples() {
    loom::model(|| {
        let (gate, mut writer, mut reader) = path();
        let speaking = thread::spawn(move || {
            writer.push(&[1.0]);
            writer.release();
        });
        let mut heard = Vec::new();
        let dry = callback(&gate, &mut reader, &mut heard);
        assert!(!dry || heard == [1.0], "an underrun before the first sample");
        speaking.join().unwrap();
    });
}

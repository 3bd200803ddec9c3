//! Ring and tickets under every order of events that the memory model allows: nothing of a cut clause is heard after the
//! cut, nothing of a wanted one is lost, and no underrun where speech was complete.
//!
//! `src/ring/gate.rs` and `src/ring/tickets.rs` themselves are compiled here, with loom's atomics and small rings made of
//! them. Run alone with `cargo test --release --test loom_ring`.

mod sync {
    pub use loom::sync::Arc;
    pub use loom::sync::atomic::{AtomicU64, Ordering};
}

#[allow(dead_code)] // not all of it has a part in the model
#[path = "../src/ring/gate.rs"]
mod gate;
#[allow(dead_code)]
#[path = "../src/ring/tickets.rs"]
mod tickets;

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
        self.index << 32 | self.ticket << 1 | u64::from(self.lead)
    }

    fn from_bits(bits: u64) -> Self {
        Mark { index: bits >> 32, ticket: (bits & 0xffff_ffff) >> 1, lead: bits & 1 != 0 }
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

/// Every order of events in which no thread is interrupted more than three times: without a bound the longer of these
/// take hours, and a fault that needs more is not known.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// A path on which clauses 1 and 2 may be under way.
fn path() -> (Arc<Gate>, Writer<RingIn, RingIn>, Reader<RingOut, RingOut>) {
    let gate = Arc::new(Gate::new(4));
    (1..=2).for_each(|ticket| gate.tickets().issue(ticket));
    let ((samples_in, samples_out), (marks_in, marks_out)) = (ring(), ring());
    let writer = Writer::new(samples_in, marks_in, gate.clone());
    (gate.clone(), writer, Reader::new(samples_out, marks_out, gate))
}

/// One callback without fades: takes what is fresh, drops what was cut. A sample's value is its ticket. Says if it ran
/// dry.
fn callback(reader: &mut Reader<RingOut, RingOut>, heard: &mut Vec<f32>) -> bool {
    let dry = loop {
        match reader.next_run() {
            Run::Fresh(count) => {
                let mut samples = [0.0; 4];
                let count = reader.pop(&mut samples[..count]);
                heard.extend_from_slice(&samples[..count]);
            }
            Run::Held => break false,
            Run::Cut(count) => {
                reader.silence();
                if count == 0 {
                    break false;
                }
                reader.skip(count);
            }
            Run::Dry => break true,
        }
    };
    reader.publish(dry, 0);
    dry
}

fn count(heard: &[f32], ticket: f32) -> usize {
    heard.iter().filter(|&&sample| sample == ticket).count()
}

/// Two clauses of a sample each.
fn speak(writer: &mut Writer<RingIn, RingIn>) {
    for ticket in 1..=2 {
        assert!(writer.begin(ticket, false));
        writer.push(&[ticket as f32]);
        writer.hold();
        writer.close();
    }
}

#[test]
fn without_a_cut_every_sample_is_heard_and_the_end_is_no_underrun() {
    model(|| {
        let (gate, mut writer, mut reader) = path();
        let speaking = thread::spawn(move || speak(&mut writer));
        let mut heard = Vec::new();
        let dry = callback(&mut reader, &mut heard) | callback(&mut reader, &mut heard);
        speaking.join().unwrap();
        assert!(!callback(&mut reader, &mut heard) && !dry, "an underrun where speech was complete");
        assert_eq!(heard, [1.0, 2.0]);
        assert_eq!((gate.taken(), gate.heard()), (2, 2));
        assert!(gate.tickets().played(1).is_whole() && gate.tickets().played(2).is_whole());
    });
}

/// What is said of a ticket that was cut agrees with what was heard of it.
fn agrees(gate: &Gate, ticket: u64, begun: bool, heard: &[f32]) {
    let played = gate.tickets().played(ticket);
    let count = count(heard, ticket as f32) as u64;
    match begun {
        false => assert_eq!((count, played.begins), (0, None), "the cut was told that nothing of it was heard"),
        true => {
            let (begins, ends) = (played.begins.unwrap(), played.ends().expect("the reader owes where it fell silent"));
            assert_eq!(ends - begins, count, "{played:?}");
        }
    }
}

#[test]
fn a_cut_of_one_clause_leaves_the_other_alone() {
    for cut in 1..=2 {
        model(move || {
            let (gate, mut writer, mut reader) = path();
            let speaking = thread::spawn(move || speak(&mut writer));
            let mut heard = Vec::new();
            callback(&mut reader, &mut heard);
            let begun = gate.tickets().cut(cut);
            let before = heard.len();
            callback(&mut reader, &mut heard);
            assert_eq!(count(&heard[before..], cut as f32), 0, "heard after the cut: {heard:?}");
            speaking.join().unwrap();
            callback(&mut reader, &mut heard);
            assert_eq!(count(&heard, 3.0 - cut as f32), 1, "the other clause: {heard:?}");
            agrees(&gate, cut, begun, &heard);
        });
    }
}

#[test]
fn a_cut_from_another_thread_and_the_reader_agree_on_what_was_heard() {
    model(|| {
        let (gate, mut writer, mut reader) = path();
        speak(&mut writer);
        let cutting = gate.clone();
        let cut = thread::spawn(move || cutting.tickets().cut(1));
        let mut heard = Vec::new();
        callback(&mut reader, &mut heard);
        let begun = cut.join().unwrap();
        callback(&mut reader, &mut heard);
        assert_eq!(count(&heard, 2.0), 1, "what was not cut goes on: {heard:?}");
        agrees(&gate, 1, begun, &heard);
    });
}

#[test]
fn two_cuts_in_one_period_revive_nothing() {
    model(|| {
        let (gate, mut writer, mut reader) = path();
        speak(&mut writer);
        let cutting = gate.clone();
        let cut = thread::spawn(move || [2, 1].map(|ticket| cutting.tickets().cut(ticket)));
        let mut heard = Vec::new();
        callback(&mut reader, &mut heard);
        let begun = cut.join().unwrap();
        let before = heard.len();
        callback(&mut reader, &mut heard);
        assert_eq!(heard.len(), before, "both were cut before this period");
        agrees(&gate, 2, begun[0], &heard);
        agrees(&gate, 1, begun[1], &heard);
    });
}

#[test]
fn samples_that_were_kept_are_heard_though_the_clause_behind_them_is_cut_while_it_is_written() {
    model(|| {
        let (gate, mut writer, mut reader) = path();
        assert!(writer.begin(1, false));
        writer.push(&[1.0]);
        let cutting = gate.clone();
        let speaking = thread::spawn(move || {
            writer.hold();
            writer.close();
            let begun = cutting.tickets().cut(2);
            if cutting.tickets().is_open(2) {
                writer.begin(2, false);
            }
            begun
        });
        let mut heard = Vec::new();
        callback(&mut reader, &mut heard);
        assert!(!speaking.join().unwrap());
        callback(&mut reader, &mut heard);
        assert_eq!(heard, [1.0]);
        assert!(gate.tickets().played(1).is_whole());
    });
}

#[test]
fn a_held_clause_is_not_heard_before_its_release() {
    model(|| {
        let (gate, mut writer, mut reader) = path();
        assert!(writer.begin(1, false));
        writer.release(); // what is cut was being heard
        gate.tickets().cut(1);
        let speaking = thread::spawn(move || {
            assert!(writer.begin(2, false));
            writer.push(&[2.0]);
            writer
        });
        let mut heard = Vec::new();
        callback(&mut reader, &mut heard);
        let writer = speaking.join().unwrap();
        assert!(!callback(&mut reader, &mut heard), "holding back is no underrun");
        assert!(heard.is_empty(), "heard before the release");
        writer.release();
        callback(&mut reader, &mut heard);
        assert_eq!(heard, [2.0]);
    });
}

#[test]
fn a_release_is_not_seen_before_its_samples() {
    model(|| {
        let (_gate, mut writer, mut reader) = path();
        let speaking = thread::spawn(move || {
            assert!(writer.begin(1, false));
            writer.push(&[1.0]);
            writer.release();
        });
        let mut heard = Vec::new();
        let dry = callback(&mut reader, &mut heard);
        assert!(!dry || heard == [1.0], "an underrun before the first sample");
        speaking.join().unwrap();
    });
}

//! Shares the rows of a product, or the columns that go into it, out over threads. In: a job over ranges. Out: the job
//! done, on all of them.
//!
//! Made for thousands of short sections per second. One atomic word says how many chunks of rows nobody has taken and
//! how many are being computed; taking a chunk is one exchange on it. The caller takes chunks like everybody else and
//! then waits only for those in flight: a worker that the system has not scheduled holds nothing up. Between sections
//! workers look at the word for some tens of microseconds, then sleep. A row is computed by one thread whatever their
//! number is, so results do not depend on it.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::thread::JoinHandle;

use super::product::MAX_ROWS;
use super::rows::{Rows, SharedColumns, SharedResult};

/// Bytes of weights that a thread takes at a time: at least what pays for the exchange, at most what keeps a late
/// thread from holding up the rest (about 8 µs).
const CHUNK_BYTES: Range<usize> = 64 << 10..128 << 10;
/// Bytes below which a product is not worth anybody's help: some microseconds.
const SHARED_BYTES: usize = 256 << 10;
/// Values below which the small arithmetic on columns is not worth anybody's help: some microseconds as well.
const SHARED_VALUES: usize = 12 << 10;
/// Chunks for each thread, so that one that starts late finds less left to do.
const CHUNKS_PER_THREAD: usize = 4;
/// Looks at the word before a worker goes to sleep: some tens of microseconds.
const SPINS: usize = 2_000;

/// Threads that share row ranges. Calls from several threads are safe; while one has the workers, the others compute
/// alone.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Somebody has the workers.
    taken: AtomicBool,
}

/// As many of `wanted` threads as may run at once: this process's affinity and the quota of its control group count, not
/// what the machine has. The first time that it gives fewer, it warns.
///
/// llama.cpp's threads wait for each other by spinning, some hundred times per frame. One that has no processor is
/// waited for until the system takes the processor away from who waits, so that one thread too many makes speech a
/// hundred times slower.
pub fn allowed_threads(wanted: usize) -> usize {
    static WARN: Once = Once::new();
    let allowed = std::thread::available_parallelism().map_or(wanted, |n| n.get());
    if wanted > allowed {
        WARN.call_once(|| {
            log::warn!(
                "{wanted} threads were asked for, {allowed} used: this process may not use more processors at once (its \
                 affinity, or the quota of its control group)"
            );
        });
    }
    wanted.min(allowed)
}

/// What a section computes, with its lifetime erased; see `Pool::run`.
#[derive(Clone, Copy)]
struct Section {
    job: *const (dyn Fn(Range<usize>) + Sync),
    rows: usize,
    chunk: usize,
    chunks: usize,
}

#[derive(Debug)]
struct Shared {
    /// Chunks that nobody has taken (upper half) and chunks that are being computed (lower half).
    work: AtomicU64,
    /// The current section. Written only while `work` is zero, read only by a thread that has taken a chunk.
    section: UnsafeCell<Option<Section>>,
    panicked: AtomicBool,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

const ONE_LEFT: u64 = 1 << 32;
const ONE_IN_FLIGHT: u64 = 1;

impl std::fmt::Debug for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows in {} chunks", self.rows, self.chunks)
    }
}

// SAFETY: `section` is the only part that is not `Send + Sync` by itself. `work` guards it as said there: whoever takes
// a chunk synchronises with the `Release` store that followed the write, and the next write comes after every taker's
// `Release` count-down has been seen. The job itself is `Sync`, and `Pool::run` keeps it alive that long.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Pool {
    /// A pool of `threads` in all, the caller's included; at least one, and no more than may run at once
    /// ([`allowed_threads`]). They run wherever the system puts them.
    pub fn new(threads: usize) -> Self {
        Self::of(allowed_threads(threads))
    }

    fn of(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            work: AtomicU64::new(0),
            section: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        });
        let workers = (1..threads)
            .filter_map(|i| {
                let shared = shared.clone();
                // A system without room for another thread gets a smaller pool, not a failure.
                std::thread::Builder::new().name(format!("syrinx-kernel-{i}")).spawn(move || shared.serve()).ok()
            })
            .collect();
        Self { shared, workers, taken: AtomicBool::new(false) }
    }

    /// Threads in all, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `job` over all row ranges of a product whose result `y` is `[columns][rows]` and whose weights have
    /// `row_bytes` per row. Ranges begin at multiples of 16.
    pub(super) fn rows(
        &self,
        y: &mut [f32],
        rows: usize,
        row_bytes: usize,
        job: impl Fn(Range<usize>, &mut Rows<'_>) + Sync,
    ) {
        if rows == 0 {
            return;
        }
        let result = SharedResult::new(y, rows);
        let job = |own: Range<usize>| {
            // SAFETY: `Section::range` divides the rows, and each range is computed once.
            let mut y = unsafe { result.rows(own.clone()) };
            job(own, &mut y);
        };
        let fair = rows / (CHUNKS_PER_THREAD * self.threads());
        let limits = [CHUNK_BYTES.start, CHUNK_BYTES.end].map(|bytes| bytes / row_bytes.max(1));
        let chunk = fair.clamp(limits[0], limits[1]).next_multiple_of(MAX_ROWS).max(MAX_ROWS);
        self.share(rows, chunk, rows * row_bytes >= SHARED_BYTES, &job);
    }

    /// Runs `job` for each of `count` columns of `len` values.
    pub(super) fn columns(&self, count: usize, len: usize, job: impl Fn(usize) + Sync) {
        self.share(count, 1, count * len >= SHARED_VALUES, &|own: Range<usize>| own.for_each(&job));
    }

    /// Runs `job` for each of `parts`, any of them on any thread; `values` says how much work they are in all.
    pub(super) fn each<T: Send>(&self, parts: &mut [T], values: usize, job: impl Fn(&mut T) + Sync) {
        let count = parts.len();
        let parts = SharedColumns::new(parts, count);
        self.share(count, 1, values >= SHARED_VALUES, &|own: Range<usize>| {
            for index in own {
                // SAFETY: `Section::range` divides the parts, and each range is computed once.
                let part = unsafe { parts.column(index) };
                part.iter_mut().for_each(&job);
            }
        });
    }

    /// Runs `job` over all ranges of `chunk` rows; alone where others would not help.
    fn share(&self, rows: usize, chunk: usize, worth: bool, job: &(dyn Fn(Range<usize>) + Sync)) {
        let chunks = rows.div_ceil(chunk);
        // The lifetime of `job` is erased in `run`, for as long as that lasts.
        let section = Section { job: erase(job), rows, chunk, chunks };
        let others = worth && chunks > 1 && !self.workers.is_empty();
        if others && !self.taken.swap(true, Ordering::Acquire) {
            let _taken = GiveBack(&self.taken);
            self.run(section);
        } else {
            (0..chunks).for_each(|i| job(section.range(i)));
        }
    }

    /// The section's job must outlive the call.
    fn run(&self, section: Section) {
        let shared = &*self.shared;
        // SAFETY: `work` is zero, since the last section ended and `taken` admits one caller at a time, so no worker
        // reads the section.
        unsafe { *shared.section.get() = Some(section) };
        shared.panicked.store(false, Ordering::Relaxed);
        shared.work.store(section.chunks as u64 * ONE_LEFT, Ordering::SeqCst);
        // A worker counts itself in before it looks at `work` for the last time, so one of the two sees the other.
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _asleep = shared.sleep.lock().unwrap_or_else(PoisonError::into_inner);
            shared.wake.notify_all();
        }
        let wait = WaitForFlights(shared);
        while shared.take_chunk() {}
        drop(wait);
        if shared.panicked.load(Ordering::Relaxed) {
            panic!("a kernel thread panicked");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            let _asleep = self.shared.sleep.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.stop.store(true, Ordering::SeqCst);
            self.shared.wake.notify_all();
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join(); // a worker's panic has been reported by `run`
        }
    }
}

/// Lets the next caller have the workers, also when this one panics.
struct GiveBack<'a>(&'a AtomicBool);

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Ends the section: takes what nobody has taken (there is some only if the caller panicked) and waits for the chunks
/// in flight.
struct WaitForFlights<'a>(&'a Shared);

impl Drop for WaitForFlights<'_> {
    fn drop(&mut self) {
        self.0.work.fetch_and(ONE_LEFT - 1, Ordering::Acquire);
        let mut spins = 0;
        while self.0.work.load(Ordering::Acquire) != 0 {
            spins += 1;
            if spins > SPINS { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

impl Section {
    /// Rows of chunk `index`.
    fn range(&self, index: usize) -> Range<usize> {
        index * self.chunk..self.rows.min((index + 1) * self.chunk)
    }
}

impl Shared {
    /// A worker's life.
    fn serve(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.take_chunk()));
            match taken {
                Ok(true) => {}
                Ok(false) => self.wait(),
                Err(_) => {} // `InFlight` has told the caller
            }
        }
    }

    /// Computes a chunk, if one is left.
    fn take_chunk(&self) -> bool {
        let take = |work| (work >= ONE_LEFT).then(|| work - ONE_LEFT + ONE_IN_FLIGHT);
        let Ok(work) = self.work.fetch_update(Ordering::Acquire, Ordering::Relaxed, take) else { return false };
        let left = (work / ONE_LEFT) as usize;
        let in_flight = InFlight(self);
        // SAFETY: a chunk has been taken, so the section was written before, is not written until the chunk has been
        // counted down, and its job is alive until then.
        if let Some(section) = unsafe { *self.section.get() } {
            // SAFETY: as above.
            let job = unsafe { &*section.job };
            job(section.range(section.chunks - left));
        }
        drop(in_flight);
        true
    }

    /// Waits for chunks (or the end): awake for a while, then asleep.
    fn wait(&self) {
        let idle = || self.work.load(Ordering::SeqCst) < ONE_LEFT && !self.stop.load(Ordering::SeqCst);
        for _ in 0..SPINS {
            if !idle() {
                return;
            }
            std::hint::spin_loop();
        }
        let mut asleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while idle() {
            asleep = self.wake.wait(asleep).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts a chunk down, also when it panicked.
struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked.store(true, Ordering::Relaxed);
        }
        self.0.work.fetch_sub(ONE_IN_FLIGHT, Ordering::Release);
    }
}

fn erase<'a>(job: &'a (dyn Fn(Range<usize>) + Sync + 'a)) -> *const (dyn Fn(Range<usize>) + Sync) {
    // SAFETY: only the lifetime is changed, of a pointer that the caller of `Pool::run` keeps valid.
    unsafe { std::mem::transmute::<*const (dyn Fn(Range<usize>) + Sync + 'a), _>(job) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows so heavy that every 16 of them are a chunk.
    const HEAVY: usize = CHUNK_BYTES.end;

    fn count_up(pool: &Pool, rows: usize, row_bytes: usize) {
        let mut y = vec![0.0; rows * 2];
        pool.rows(&mut y, rows, row_bytes, |range, y| {
            for row in range {
                y.write(0, row, &[row as f32]);
                y.write(1, row, &[-(row as f32)]);
            }
        });
        assert!(y[..rows].iter().enumerate().all(|(i, &v)| v == i as f32));
        assert!(y[rows..].iter().enumerate().all(|(i, &v)| v == -(i as f32)));
    }

    #[test]
    fn no_more_threads_are_made_than_may_run_at_once() {
        let allowed = std::thread::available_parallelism().unwrap().get();
        assert_eq!([1, allowed, allowed + 1, 256].map(allowed_threads), [1, allowed, allowed, allowed]);
        assert_eq!(Pool::new(allowed + 1).threads(), allowed);
    }

    #[test]
    fn every_row_is_computed_once_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 5] {
            let pool = Pool::of(threads);
            for rows in [1, 15, 16, 17, 127, 128, 129, 1000] {
                for row_bytes in [0, 1, 3000, HEAVY] {
                    count_up(&pool, rows, row_bytes);
                }
            }
        }
    }

    #[test]
    fn workers_that_went_to_sleep_wake_up() {
        let pool = Pool::of(3);
        let asleep = || pool.shared.sleepers.load(Ordering::SeqCst) == 2;
        for _ in 0..3 {
            while !asleep() {
                std::thread::yield_now();
            }
            // Ends only when a worker has come: the caller stays in its first chunk until then.
            let caller = std::thread::current().id();
            let helped = AtomicBool::new(false);
            let mut y = vec![0.0; 64];
            pool.rows(&mut y, 64, HEAVY, |_, _| {
                if std::thread::current().id() != caller {
                    helped.store(true, Ordering::Relaxed);
                }
                while !helped.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
            });
        }
    }

    #[test]
    fn a_worker_that_never_runs_holds_nothing_up() {
        let mut pool = Pool::of(1);
        let (release, never) = std::sync::mpsc::channel::<()>();
        pool.workers.push(std::thread::spawn(move || assert!(never.recv().is_err())));
        count_up(&pool, 1000, HEAVY);
        drop(release);
    }

    #[test]
    fn callers_on_several_threads_do_not_disturb_each_other() {
        let pool = Pool::of(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| count_up(&pool, 500, HEAVY)));
            }
        });
    }

    #[test]
    fn a_panicking_section_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::of(3);
        for row in [0, 500, 999] {
            let mut y = vec![0.0; 1000];
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.rows(&mut y, 1000, HEAVY, |range, _| assert!(!range.contains(&row), "row {row}"));
            }));
            assert!(caught.is_err());
            count_up(&pool, 1000, HEAVY);
        }
    }
}

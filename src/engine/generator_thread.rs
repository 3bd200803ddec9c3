//! The thread of the generator. In: turns of the desk. Out: packets for the codec's thread, one frame at a time.
//!
//! Between two frames it looks whether it is still its turn, so a cancel stops it at the next frame.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use super::course::Course;
use super::desk::{Desk, Job, Script, Starved, Turn};
use super::frames::{FrameSource, Step};
use super::guard::Guards;
use super::pace::{Pace, Quality};
use super::utterance::Event;
use crate::board::Rung;
use crate::board::system::reserve_heap;
use crate::device::control::Control;
use crate::error::Result;
use crate::frame::Frame;
use crate::text::Speller;

/// How long a full ring is left alone.
const FULL: Duration = Duration::from_millis(5);
/// Heap touched ahead of speech. This thread, in which llama.cpp builds its graphs, was seen to use 2.3 MB of it.
const HEAP_BYTES: usize = 4 << 20;
/// What is added to the seed of a clause that is spoken again.
const RETRY_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// What the codec's thread receives.
#[derive(Debug)]
pub(super) struct Packet {
    pub epoch: u64,
    pub part: Part,
}

#[derive(Debug)]
pub(super) enum Part {
    /// A clause begins. It is held until `start_frames` of it are there. `fresh`: speech begins anew.
    Clause {
        utterance: u64,
        span: u64,
        start_frames: usize,
        fresh: bool,
    },
    Frame(Frame),
    ClauseEnd,
    /// The utterance is complete.
    End,
}

/// What the thread and those who watch it share.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// Frames without sound, up to the last one decoded.
    pub silent_frames: AtomicU64,
    /// When the frame being made was begun, in ms since the engine was opened, plus 1; 0 for none.
    pub busy_since_ms: AtomicU64,
    /// The device was opened, and has played nothing since.
    pub new_device: AtomicBool,
    /// The board's place on its ladder ([`Rung::index`]).
    pub rung: AtomicU8,
}

/// The thread's state; `S` is the generator.
pub(super) struct GeneratorThread<S> {
    pub source: S,
    /// Opens another one, after a panic.
    pub reopen: Box<dyn FnMut() -> Result<S> + Send>,
    pub desk: Arc<Desk>,
    pub control: Arc<Control>,
    pub speller: Speller,
    pub packets: HeapProd<Packet>,
    pub codec: Thread,
    pub pace: Pace,
    pub guards: Guards,
    /// Trade quality for continuity.
    pub governor: bool,
    /// What the pace asks for, and what was told last: the cheaper of that and what the heat asks for.
    pub quality: Quality,
    pub told: (Quality, Rung),
    pub frame_seconds: f32,
    pub device_hz: Arc<AtomicU32>,
    pub signs: Arc<Signs>,
    pub opened: Instant,
    pub courses: HashMap<u64, Course>,
    /// The utterance and epoch of the last turn.
    pub current: Option<(u64, u64)>,
    pub underruns: u64,
}

impl<S: FrameSource> GeneratorThread<S> {
    /// Works until the desk closes. A panic of the model fails what is open, and the model is opened again.
    pub fn run(mut self) {
        reserve_heap(HEAP_BYTES);
        while catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            self.signs.busy_since_ms.store(0, Ordering::Relaxed);
            self.desk.fail("the model's thread panicked", false);
            (self.current, self.courses) = (None, HashMap::new());
            match catch_unwind(AssertUnwindSafe(|| (self.reopen)())) {
                Ok(Ok(source)) => self.source = source,
                Ok(Err(e)) => return self.desk.fail(e.message(), true),
                Err(_) => return self.desk.fail("the model panicked when it was opened again", true),
            }
        }
    }

    fn work(&mut self) {
        let mut starved: Option<Starved> = None;
        let mut within = None;
        loop {
            match self.desk.turn(starved, within) {
                Turn::Close => return,
                Turn::Warm(voice) => {
                    if let Err(e) = self.source.warm(&voice) {
                        log::warn!("voice {} was not prepared: {e}", voice.name);
                    }
                }
                Turn::Late => starved = starved.and_then(|starved| self.late(starved)),
                Turn::Speak(job) => {
                    let (id, epoch) = (job.id, job.epoch);
                    let step = self.speak(job);
                    within = matches!(step, Ok(Step::Clause | Step::Frame(_))).then_some(id);
                    starved = match step {
                        Ok(Step::Waiting) => Some(Starved { id, epoch, until: self.late_at(id) }),
                        Ok(_) => None,
                        Err(e) => {
                            log::warn!("{e}");
                            if self.control.gate().epoch() == epoch {
                                self.desk.fail_one(id, e.message());
                            }
                            None
                        }
                    };
                }
            }
        }
    }

    /// Text has waited for so long that it is spoken as it is, unless enough is still to be heard: then it waits on.
    fn late(&mut self, starved: Starved) -> Option<Starved> {
        let until = self.late_at(starved.id);
        if until.is_some_and(|until| until > Instant::now()) {
            return Some(Starved { until, ..starved });
        }
        self.courses.get_mut(&starved.id)?.flush(&self.speller);
        None
    }

    fn late_at(&self, id: u64) -> Option<Instant> {
        let device_hz = f64::from(self.device_hz.load(Ordering::Acquire).max(1));
        let ahead = self.desk.ahead().map(|samples| Duration::from_secs_f64(samples as f64 / device_hz));
        self.courses.get(&id)?.late_at(Instant::now(), ahead)
    }

    /// Does one step of an utterance.
    fn speak(&mut self, job: Job) -> Result<Step> {
        let anew = self.current != Some((job.id, job.epoch));
        let Some(script) = self.desk.script(job.id) else { return Ok(Step::ClauseEnd) };
        if anew {
            self.courses.retain(|&id, _| self.desk.is_open(id));
            let course = self.courses.entry(job.id).or_insert_with(|| Course::new(&self.speller, &script, self.guards));
            course.restart(job.clause);
            self.source.begin(script.request)?;
            self.pace.begin();
            self.current = Some((job.id, job.epoch));
        }
        let Some(course) = self.courses.get_mut(&job.id) else { return Ok(Step::ClauseEnd) };
        course.forget(job.oldest);
        course.take_in(&job.text, job.finished, job.flush, &self.speller);
        let (desk, device_hz) = (&self.desk, self.device_hz.load(Ordering::Acquire));
        let frame_samples = self.frame_seconds * device_hz as f32;
        let announce = |clause: usize, text: &_, frames: usize| {
            desk.begin_clause(&job, clause, text, (frames as f32 * frame_samples) as u64)
        };
        let begun = Instant::now();
        self.signs.busy_since_ms.store(self.opened.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
        let step = course.step(&mut self.source, announce);
        self.signs.busy_since_ms.store(0, Ordering::Relaxed);
        if let Ok(Step::Frame(_)) = &step {
            self.pace.observe(begun.elapsed().as_secs_f32() / self.frame_seconds);
        }
        let step = step?;
        self.pass_on(&job, &script, &step)?;
        Ok(step)
    }

    /// Sends what a step has brought.
    fn pass_on(&mut self, job: &Job, script: &Script, step: &Step) -> Result<()> {
        match step {
            Step::Clause => self.clause(job, script),
            Step::Frame(frame) => {
                if self.send(job.epoch, Part::Frame(frame.clone())) {
                    self.check(job, script, frame)?;
                }
                Ok(())
            }
            Step::ClauseEnd => {
                self.send(job.epoch, Part::ClauseEnd);
                Ok(())
            }
            Step::Ended => {
                self.send(job.epoch, Part::ClauseEnd);
                self.send(job.epoch, Part::End);
                self.desk.complete(job.id, job.epoch);
                Ok(())
            }
            Step::Waiting => Ok(()),
        }
    }

    fn clause(&mut self, job: &Job, script: &Script) -> Result<()> {
        let underruns = self.desk.underruns();
        if std::mem::replace(&mut self.underruns, underruns) != underruns {
            self.pace.underrun();
        }
        let rung = Rung::from_index(self.signs.rung.load(Ordering::Relaxed));
        self.pace.reserve = rung.reserve_frames();
        let Some(course) = self.courses.get_mut(&job.id) else { return Ok(()) };
        let Some(frames) = course.watch_clause() else { return Ok(()) };
        let start_frames = self.pace.start_frames(frames);
        self.quality = if self.governor { self.quality.next(self.pace.slowest()) } else { Quality::Full };
        let quality = self.quality.max(rung.quality());
        let (quality_before, rung_before) = std::mem::replace(&mut self.told, (quality, rung));
        if rung_before != rung {
            self.desk.tell(job.id, Event::Heat { rung });
        }
        if quality_before != quality {
            self.pace.forget();
            self.desk.tell(job.id, Event::Quality { quality });
        }
        self.source.set_solver(quality.solver(script.request.solver))?;
        let (fresh, span) = (std::mem::take(&mut course.fresh), course.span);
        self.send(job.epoch, Part::Clause { utterance: job.id, span, start_frames, fresh });
        Ok(())
    }

    /// Looks whether the clause has gone astray: if so, it is spoken again with another seed, once, or ends here.
    fn check(&mut self, job: &Job, script: &Script, frame: &Frame) -> Result<()> {
        let silent_frames = self.signs.silent_frames.load(Ordering::Relaxed);
        let Some(course) = self.courses.get_mut(&job.id) else { return Ok(()) };
        let Some(trip) = course.guard.check(frame, silent_frames) else { return Ok(()) };
        let retried = course.leave_clause();
        if retried {
            let seed = script.request.seed.wrapping_add(RETRY_SEED);
            self.source.begin(super::generator::Request { seed, ..script.request })?;
        }
        self.send(job.epoch, Part::ClauseEnd);
        self.desk.tell(job.id, Event::Guard { trip, retried });
        Ok(())
    }

    /// Waits for room, unless the packet becomes stale. False where it did.
    fn send(&mut self, epoch: u64, part: Part) -> bool {
        let mut packet = Packet { epoch, part };
        while self.control.gate().epoch() == epoch {
            match self.packets.try_push(packet) {
                Ok(()) => {
                    self.codec.unpark();
                    return true;
                }
                Err(back) => packet = back,
            }
            if !self.packets.read_is_held() {
                return false; // the codec's thread has ended
            }
            std::thread::park_timeout(FULL);
        }
        false
    }
}

//! The thread of the generator. In: turns of the schedule. Out: packets for the codec's thread, one frame at a time.
//!
//! A turn is a clause. Between two frames it looks at the clause's ticket, so a cut stops it at the next frame, and
//! llama.cpp asks for it within a prompt.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::{Duration, Instant};

use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use super::books::{Job, Starved};
use super::pace::Governor;
use super::packet::{Packet, Part, Signs};
use super::shared::{Shared, Turn};
use crate::board::system::touch_heap;
use crate::error::{ErrorKind, Result};
use crate::ring::gate::Gate;
use crate::speak::{Ending, FrameSource, Script, Speaker, Step};
use crate::text::ssml::Prosody;

/// How long a full ring is left alone.
const FULL: Duration = Duration::from_millis(5);
/// Heap touched ahead of speech. This thread, in which llama.cpp builds its graphs, was seen to use 2.3 MB of it.
const HEAP_BYTES: usize = 4 << 20;

/// Opens a source of frames: the first time, and after a panic.
pub(super) type OpenSource<S> = Box<dyn FnMut() -> Result<S> + Send>;

/// What turns of other sessions are taken with; `None` for a source that is nobody else's.
pub(super) type Others = Option<crate::model::Model>;

/// The thread's state; `S` is the generator.
pub(super) struct GeneratorThread<S> {
    source: Option<S>,
    open: OpenSource<S>,
    out: Out,
    governor: Governor,
    /// Seconds of a frame.
    frame_seconds: f32,
    others: Others,
    speakers: HashMap<u64, Speaker>,
    /// The utterance of the last turn, and how often it had been sent back then.
    current: Option<(u64, u64)>,
    /// The ticket of the clause that was generated last.
    last_ticket: u64,
}

/// The way out of the thread.
pub(super) struct Out {
    pub shared: Arc<Shared>,
    pub signs: Arc<Signs>,
    pub gate: Arc<Gate>,
    pub packets: HeapProd<Packet>,
    pub codec: Thread,
}

impl<S: FrameSource> GeneratorThread<S> {
    pub fn new(
        source: S,
        open: OpenSource<S>,
        out: Out,
        governor: Governor,
        frame_seconds: f32,
        others: Others,
    ) -> Self {
        let (source, speakers, current, last_ticket) = (Some(source), HashMap::new(), None, 0);
        Self { source, open, out, governor, frame_seconds, others, speakers, current, last_ticket }
    }

    /// Works until the schedule closes. A panic of the model fails what is open, and the model is opened again.
    pub fn run(mut self) {
        touch_heap(HEAP_BYTES);
        while let Some(mut source) = self.source.take() {
            if catch_unwind(AssertUnwindSafe(|| self.work(&mut source))).is_ok() {
                return;
            }
            self.out.signs.set_busy(false);
            self.out.shared.fail("the model's thread panicked", false);
            (self.current, self.speakers) = (None, HashMap::new());
            drop(source); // before another one takes as much memory
            match catch_unwind(AssertUnwindSafe(|| (self.open)())) {
                Ok(Ok(source)) => self.source = Some(source),
                Ok(Err(e)) => self.out.shared.fail(e.message(), true),
                Err(_) => self.out.shared.fail("the model panicked when it was opened again", true),
            }
        }
    }

    fn work(&mut self, source: &mut S) {
        let mut starved: Option<Starved> = None;
        loop {
            match self.out.shared.turn(starved) {
                Turn::Close => return,
                Turn::Warm(voice) => {
                    if let Err(e) = source.warm(&voice) {
                        log::warn!("voice {} was not prepared: {e}", voice.name);
                    }
                    self.current = None;
                }
                Turn::Late => starved = starved.and_then(|starved| self.late(starved)),
                Turn::Speak(job) => {
                    starved = self.speak(job, source);
                    self.out.signs.ticket.store(0, Ordering::Release);
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
        self.speakers.get_mut(&starved.id)?.flush();
        None
    }

    fn late_at(&self, id: u64) -> Option<Instant> {
        self.speakers.get(&id)?.late_at(Instant::now(), self.ahead())
    }

    /// Speech that is still to be heard, if its end is known.
    fn ahead(&self) -> Option<Duration> {
        let device_hz = f64::from(self.out.signs.device_hz().max(1));
        self.out.shared.ahead().map(|samples| Duration::from_secs_f64(samples as f64 / device_hz))
    }

    /// Does a turn, and says who waits for text then.
    fn speak(&mut self, job: Job, source: &mut S) -> Option<Starved> {
        let (id, sent_back) = (job.id, job.sent_back);
        match self.clause(&job, source) {
            Ok(true) => Some(Starved { id, sent_back, until: self.late_at(id) }),
            Ok(false) => None,
            Err(e) => {
                log::warn!("{e}");
                self.out.shared.fail_one(id, e.message());
                None
            }
        }
    }

    /// Takes text in and speaks a clause of it. True where there is none yet.
    fn clause(&mut self, job: &Job, source: &mut S) -> Result<bool> {
        let fresh = self.take_up(job)?;
        let Some(speaker) = self.speakers.get_mut(&job.id) else { return Ok(false) };
        match speaker.step(source)? {
            Step::Clause { number, text, expected_frames } => {
                let prosody = text.prosody.and(job.script.prosody);
                let seconds = expected_frames as f32 * self.frame_seconds / prosody.speed;
                let samples = seconds * self.out.signs.device_hz() as f32;
                let unread = speaker.waiting_bytes();
                match self.out.shared.begin_clause(job, number, &text, samples as u64, unread) {
                    Some(ticket) => self.frames(job, ticket, expected_frames, fresh, prosody, source)?,
                    None => self.current = None,
                }
            }
            Step::NeedText => return Ok(true),
            Step::Ended(ending) => self.ended(job, ending),
            Step::Working | Step::Frame(_) | Step::Interlude(_) | Step::ClauseEnd(_) => {}
        }
        Ok(false)
    }

    /// Makes the job's utterance the present one, and takes its text in. True where nothing that was spoken before is to
    /// be heard in what follows.
    fn take_up(&mut self, job: &Job) -> Result<bool> {
        let before = self.current.replace((job.id, job.sent_back));
        let shared = &self.out.shared;
        if before != self.current {
            self.speakers.retain(|&id, _| shared.is_open(id));
            self.governor.begin();
        }
        let make = || Speaker::new(Script::clone(&job.script));
        let speaker = self.speakers.entry(job.id).or_insert_with(make);
        speaker.forget(job.oldest);
        if !job.text.is_empty() {
            speaker.push(&job.text)?;
        }
        if job.finished {
            speaker.finish();
        }
        if job.flush {
            speaker.flush();
        }
        if before == self.current {
            return Ok(false);
        }
        let Some((clause, frames)) = job.astray else {
            speaker.restart_at(job.clause);
            return Ok(true);
        };
        // The codec stands where it left the clause; what follows is heard from there on.
        shared.tell_why(job.id, speaker.fell_silent(clause, frames));
        Ok(before.is_none_or(|(id, _)| id != job.id))
    }

    /// Makes the frames of a clause, as long as its ticket says that they are wanted.
    fn frames(
        &mut self,
        job: &Job,
        ticket: u64,
        expected: usize,
        fresh: bool,
        prosody: Prosody,
        source: &mut S,
    ) -> Result<()> {
        let Self { out, governor, others, speakers, frame_seconds, .. } = self;
        let Some(speaker) = speakers.get_mut(&job.id) else { return Ok(()) };
        let frame_seconds = *frame_seconds / prosody.speed; // as long as it is heard
        out.signs.ticket.store(ticket, Ordering::Release);
        self.last_ticket = ticket;
        let terms = governor.clause(speaker.asked(), expected, out.shared.underruns(), out.signs.rung());
        terms.events.into_iter().for_each(|event| out.shared.tell(job.id, event));
        speaker.set_solver(terms.solver);
        let ahead = out.shared.ahead().unwrap_or_default() as f32 / out.signs.device_hz().max(1) as f32;
        let mut dry_at = Instant::now() + Duration::from_secs_f32(ahead);
        out.send(ticket, Part::Clause { start_frames: terms.start_frames, fresh, prosody });
        while out.gate.tickets().is_open(ticket) {
            let begun = Instant::now();
            let turn = others.as_ref().map(|model| model.turns().take(job.lane, dry_at));
            out.signs.set_busy(true);
            let step = speaker.step(source);
            out.signs.set_busy(false);
            drop(turn);
            match step {
                Err(e) if e.kind() == ErrorKind::Cancelled && !out.gate.tickets().is_open(ticket) => return Ok(()),
                Err(e) => return Err(e),
                Ok(Step::Working | Step::Clause { .. } | Step::NeedText) => {}
                Ok(Step::Frame(frame)) => {
                    governor.observe(begun.elapsed().as_secs_f32() / frame_seconds);
                    dry_at += Duration::from_secs_f32(frame_seconds);
                    out.send(ticket, Part::Frame(frame));
                }
                Ok(Step::Interlude(interlude)) => out.send(ticket, Part::Interlude(interlude)),
                Ok(Step::ClauseEnd(why)) => {
                    out.send(ticket, Part::ClauseEnd);
                    out.shared.tell_why(job.id, why);
                    return Ok(());
                }
                Ok(Step::Ended(ending)) => {
                    out.send(ticket, Part::ClauseEnd);
                    self.ended(job, ending);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// All of an utterance was generated that will be.
    fn ended(&mut self, job: &Job, ending: Ending) {
        self.out.send(self.last_ticket, Part::End);
        let speaker = self.speakers.get(&job.id).filter(|_| ending == Ending::Budget);
        self.out.shared.complete(job, speaker.map(|speaker| speaker.unsaid().message().to_owned()));
    }
}

impl Out {
    /// Waits for room, unless the clause is not wanted any more.
    fn send(&mut self, ticket: u64, part: Part) {
        let mut packet = Packet { ticket, part };
        while self.gate.tickets().is_open(ticket) && !self.signs.is_closing() {
            match self.packets.try_push(packet) {
                Ok(()) => return self.codec.unpark(),
                Err(back) => packet = back,
            }
            if !self.packets.read_is_held() {
                return; // the codec's thread has ended, and says so itself
            }
            std::thread::park_timeout(FULL);
        }
    }
}

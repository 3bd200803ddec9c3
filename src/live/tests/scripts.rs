//! What is heard, for any order of calls. Random scripts of everything that a caller can do and a device can suffer are
//! played on a clock that runs fast, with a source and a decoder whose samples say which frame of which clause they
//! are. The reference is plain: what was not taken back is heard once, whole and in order; what was taken back is not
//! heard beyond its fade; every utterance has one last event.
//!
//! `SYRINX_SCRIPTS` is how many there are; a script that fails is named by its number, and `SYRINX_SCRIPT` plays that
//! one alone.

use std::collections::BTreeMap;

use super::*;
use crate::live::codec::Decode;

/// Periods per second of the clock, as many times as fast as time.
const SPEED: f64 = 100.0;
const PERIOD: usize = 240;
/// Samples of a fade, and of the ramp with which speech comes back from a pause.
const FADE: usize = 120;
/// Frames of a clause.
const FRAMES: usize = 3;
/// Text that waits this long is not late yet (`speak::reading`); where it waited longer, a sentence may end anywhere.
const NOT_LATE: Duration = Duration::from_millis(240);
/// How often a script is played at most until nothing in it held this thread up.
const TRIES: usize = 30;

/// Clauses are "U7 c3 …": utterance 7, clause 3. A frame carries both and its own number; of a clause without one, 0.
struct Numbered {
    code: u16,
    frame: u16,
}

impl FrameSource for Numbered {
    fn begin(&mut self, _: Request, _: u64) -> Result<()> {
        Ok(())
    }

    fn warm(&mut self, _: &Arc<Voice>) -> Result<()> {
        Ok(())
    }

    fn start_clause(&mut self, text: &str, _: &Arc<Voice>, _: bool) -> Result<()> {
        let digits = |c: char| text.split(c).nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
        let number = |c: char| digits(c).and_then(|digits: String| digits.parse::<u16>().ok());
        let code = number('U').zip(number('c')).map_or(0, |(utterance, clause)| utterance * 64 + clause);
        (self.code, self.frame) = (code, 0);
        Ok(())
    }

    fn feed(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.frame += 1;
        let more = usize::from(self.frame) <= FRAMES;
        Ok(more.then(|| Frame::from_codes(&[self.code, self.frame]).expect("two codes")))
    }
}

/// Every sample of a frame is its number.
struct Plain;

impl Decode for Plain {
    fn samples_per_frame(&self) -> usize {
        FRAME
    }

    fn reset(&mut self) {}

    fn decode(&mut self, frame: &Frame, pcm: &mut [f32]) {
        pcm.fill(value(frame.codes[0], frame.codes[1]));
    }
}

fn value(code: u16, frame: u16) -> f32 {
    (f32::from(code) * 8.0 + f32::from(frame)) / (1 << 20) as f32
}

/// The same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// An utterance as the script made it.
struct Said {
    handle: Option<Utterance>,
    /// Events are read through it: it counts as no handle.
    events: Arc<crate::live::event::Mailbox>,
    number: usize,
    lane: Lane,
    clauses: usize,
    finished: bool,
    /// Samples that the device had when it was taken back.
    cut_at: Option<usize>,
}

struct Play {
    stage: Stage,
    random: Random,
    said: Vec<Said>,
    /// How often somebody of a higher lane came, or the device went: each may cut a clause of each utterance once.
    arrivals: Vec<(Lane, usize)>,
    losses: usize,
    /// This thread stood still between two halves of a sentence, so that the first was spoken alone.
    held_up: bool,
}

fn sentences(utterance: usize, clauses: std::ops::Range<usize>) -> String {
    clauses.map(|clause| format!("U{utterance} c{clause} is what is said here. ")).collect()
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (recorder, socket): (Recorder, Arc<Socket>) = Default::default();
        let sink = recorder.open_at(&socket, PERIOD, SPEED);
        let options = LiveOptions::default()
            .start_frames(random.of(&[1, 2, 3]))
            .ring_ms(random.of(&[400u32, 1000, 4000]))
            .session(SessionOptions::default().guards(Guards {
                most_frames_per_char: 0.0,
                repetition_frames: 0,
                silence_frames: 0,
                ..Guards::default()
            }));
        let open = || Ok(Numbered { code: 0, frame: 0 });
        let live = Live::assemble(&MODEL.1, options, sink, Box::new(open), Plain).unwrap();
        let stage = Stage { live, recorder, socket };
        Self { stage, random, said: Vec::new(), arrivals: Vec::new(), losses: 0, held_up: false }
    }

    fn now(&self) -> usize {
        self.stage.recorder.0.lock().unwrap().len()
    }

    fn open(&mut self, lane: Lane, clauses: usize, whole: bool) {
        let number = self.said.len() + 1;
        let options = SpeakOptions::default().lane(lane).whole_sentences(true);
        let text = sentences(number, 0..clauses);
        let handle = match whole {
            true => self.stage.live.speak(&text, &options).unwrap(),
            false => {
                let handle = self.stage.live.utterance(&options).unwrap();
                handle.push(&text).unwrap();
                handle
            }
        };
        self.arrivals.push((lane, number));
        let events = handle.mailbox();
        self.said.push(Said { handle: Some(handle), events, number, lane, clauses, finished: whole, cut_at: None });
    }

    fn step(&mut self) {
        let which = (!self.said.is_empty()).then(|| self.random.below(self.said.len()));
        match (self.random.below(12), which) {
            (0..=3, _) | (_, None) => {
                let clauses = self.random.of(&[1, 1, 2, 3, 6, 20]);
                let (whole, lanes) =
                    (self.random.below(2) == 0, [Lane::Chatter, Lane::Answer, Lane::Answer, Lane::Alert]);
                let lane = self.random.of(&lanes);
                self.open(lane, clauses, whole);
            }
            (4, Some(i)) => self.push(i),
            (5, Some(i)) => self.finish(i),
            (6, Some(i)) => self.cancel(i),
            (7, Some(i)) => self.drop(i),
            (8, Some(i)) => {
                if let Some(handle) = &self.said[i].handle {
                    handle.flush();
                }
            }
            (9, _) => {
                self.stage.live.pause();
                std::thread::sleep(Duration::from_micros(self.random.below(3000) as u64));
                self.stage.live.resume();
            }
            (10, _) if self.random.below(3) == 0 => self.lose_device(),
            _ => std::thread::sleep(Duration::from_micros(self.random.below(8000) as u64)),
        }
    }

    fn push(&mut self, i: usize) {
        let said = &mut self.said[i];
        let Some(handle) = said.handle.as_ref().filter(|_| !said.finished && said.cut_at.is_none()) else { return };
        let text = sentences(said.number, said.clauses..said.clauses + 2);
        let cut = self.random.below(text.len());
        let begun = Instant::now();
        handle.push(&text[..cut]).unwrap();
        handle.push(&text[cut..]).unwrap();
        self.held_up |= begun.elapsed() > NOT_LATE;
        said.clauses += 2;
    }

    fn finish(&mut self, i: usize) {
        if let Some(handle) = &self.said[i].handle {
            handle.finish();
            self.said[i].finished = true;
        }
    }

    fn cancel(&mut self, i: usize) {
        let Some(handle) = self.said[i].handle.clone() else { return };
        handle.cancel();
        let now = self.now();
        self.said[i].cut_at.get_or_insert(now);
    }

    fn drop(&mut self, i: usize) {
        let Some(handle) = self.said[i].handle.take() else { return };
        let cancels = self.random.below(2) == 0;
        if cancels {
            handle.cancel_on_drop();
        }
        drop(handle);
        let now = self.now();
        match cancels {
            true => drop(self.said[i].cut_at.get_or_insert(now)),
            false => self.said[i].finished = true,
        }
    }

    fn lose_device(&mut self) {
        self.losses += 1;
        self.stage.socket.gone.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(30));
        self.stage.socket.gone.store(false, Ordering::Relaxed);
    }

    /// Lets everything come to its end, and gives the last events.
    fn end(&mut self) -> Vec<Vec<Event>> {
        (0..self.said.len()).for_each(|i| self.finish(i));
        let mut all = Vec::new();
        for said in &self.said {
            let mut events = Vec::new();
            while !events.last().is_some_and(Event::is_last) {
                let next = said.events.take(Instant::now().checked_add(Duration::from_secs(20)));
                events.push(
                    next.unwrap_or_else(|| panic!("utterance {} has no last event after {events:?}", said.number)),
                );
            }
            assert_eq!(
                said.events.take(Some(Instant::now())),
                None,
                "utterance {}: something after its end",
                said.number
            );
            all.push(events);
        }
        all
    }
}

/// What the device was given: runs of samples of one frame, with where each began.
fn runs(samples: &[f32]) -> Vec<(u16, u16, usize, usize)> {
    let mut runs: Vec<(u16, u16, usize, usize)> = Vec::new();
    for (at, &sample) in samples.iter().enumerate() {
        let whole = sample * (1 << 20) as f32;
        if sample == 0.0 || whole.fract() != 0.0 {
            continue;
        }
        let (code, frame) = ((whole as u32 / 8) as u16, (whole as u32 % 8) as u16);
        match runs.last_mut() {
            Some(run) if (run.0, run.1, run.2 + run.3) == (code, frame, at) => run.3 += 1,
            _ => runs.push((code, frame, at, 1)),
        }
    }
    runs.retain(|run| run.3 > 2); // a fade passes through other numbers by chance
    runs
}

fn check(play: &Play, events: &[Vec<Event>]) {
    let samples = play.stage.recorder.samples();
    let runs = runs(&samples);
    assert!(runs.iter().all(|run| run.0 >= 64), "a sentence was cut: {runs:?}");
    for (said, events) in play.said.iter().zip(events) {
        let who = format!("utterance {} ({:?}, {} clauses, {:?})", said.number, said.lane, said.clauses, events.last());
        let mine: Vec<_> = runs.iter().filter(|run| usize::from(run.0) / 64 == said.number).collect();
        // Each clause's frames, in the order in which they were heard.
        let mut heard: BTreeMap<usize, Vec<(u16, usize)>> = BTreeMap::new();
        for run in &mine {
            let frames = heard.entry(usize::from(run.0) % 64).or_default();
            match frames.last_mut() {
                // A lost device is given no fade: what it had is followed by the beginning, once it is back.
                _ if run.3 > FRAME + 1 && play.losses > 0 => {
                    frames.extend([(run.1, run.3 - FRAME), (run.1, FRAME)]);
                }
                // A pause within it; what is more than a frame was begun again.
                Some(last) if last.0 == run.1 && last.1 + run.3 <= FRAME + 1 => last.1 += run.3,
                _ => frames.push((run.1, run.3)),
            }
        }
        let taken_back = matches!(events.last(), Some(Event::Cancelled { .. }));
        assert!(taken_back || events.last() == Some(&Event::Finished), "{who}");
        assert!(!taken_back || said.cut_at.is_some(), "{who}: nobody cancelled it");
        let cuts = play.losses * 2
            + play.arrivals.iter().filter(|(lane, number)| *lane > said.lane && *number > said.number).count();
        for (clause, frames) in &heard {
            let again = frames.iter().filter(|(frame, _)| *frame == 1).count();
            assert!(again <= 1 + cuts, "{who}: clause {clause} was begun {again} times after {cuts} cuts: {frames:?}");
        }
        if !taken_back {
            let order: Vec<_> = mine.iter().map(|run| run.0 % 64).collect();
            for clause in 0..said.clauses {
                let frames =
                    heard.get(&clause).unwrap_or_else(|| panic!("{who}: clause {clause} was not heard: {order:?}"));
                // One more where silence follows: the decay begins with the last sample.
                let whole = |frames: &[(u16, usize)]| {
                    let numbers: Vec<_> = frames.iter().map(|(frame, _)| *frame).collect();
                    numbers == [1, 2, 3]
                        && frames.iter().all(|(_, count)| (FRAME - 8 * FADE..=FRAME + 1).contains(count))
                };
                let last = &frames[frames.len().saturating_sub(FRAMES)..];
                assert!(whole(last), "{who}: clause {clause} was not heard whole: {frames:?}");
            }
            let last_of_each: Vec<_> = (0..said.clauses)
                .filter_map(|clause| mine.iter().rposition(|run| usize::from(run.0) % 64 == clause))
                .collect();
            assert!(last_of_each.is_sorted(), "{who}: out of order: {order:?}");
        }
        if let Some(cut_at) = said.cut_at.filter(|_| taken_back) {
            let limit = cut_at + 3 * PERIOD + FADE; // what the clock was writing while the call was made
            let late = mine.iter().map(|run| run.2 + run.3).filter(|&end| end > limit).max();
            assert_eq!(late, None, "{who}: heard beyond {limit}");
            let Some(Event::Cancelled { position }) = events.last() else { continue };
            let first = sentences(said.number, 0..1).len();
            let last = mine.iter().map(|run| usize::from(run.0) % 64).max();
            match last {
                None => assert_eq!(*position, 0, "{who}: nothing of it was heard"),
                Some(clause) => assert!(*position <= (clause + 1) * (first + 2), "{who}: clause {clause} was the last"),
            }
        }
    }
}

/// Plays a script and checks it, again where the machine held it up.
fn play(seed: u64) {
    let undisturbed = (0..TRIES).any(|_| {
        let mut play = Play::new(seed);
        for _ in 0..3 + play.random.below(15) {
            play.step();
        }
        let events = play.end();
        std::thread::sleep(Duration::from_millis(2)); // the last periods reach the tape
        if !play.held_up {
            check(&play, &events);
        }
        !play.held_up
    });
    assert!(undisturbed, "script {seed}: the machine held each of {TRIES} plays up for {NOT_LATE:?} and more");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_is_called_in_whatever_order_what_was_not_taken_back_is_heard_once() {
    if let Some(seed) = number("SYRINX_SCRIPT") {
        return play(seed);
    }
    for seed in 0..number("SYRINX_SCRIPTS").unwrap_or(200) {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "script {seed}: SYRINX_SCRIPT={seed} plays it again");
    }
}

/// The product at aa89e51: what was heard began its clause again, 26.4 s in all.
#[test]
fn a_cancel_of_a_long_text_that_waits_leaves_the_long_text_that_is_heard_alone() {
    let mut play = Play::new(1);
    play.open(Lane::Answer, 60, true); // 14.4 s, more than the ring holds
    play.open(Lane::Answer, 60, true);
    while play.now() < 5 * RATE_HZ as usize {
        std::thread::sleep(Duration::from_millis(1));
    }
    play.cancel(1);
    let events = play.end();
    check(&play, &events);
    assert_eq!(clauses(&events[0]).len(), 60, "each clause is told of once");
    assert_eq!(events[1].last(), Some(&Event::Cancelled { position: 0 }));
}

/// The product at aa89e51: the next one was not spoken within 20 s.
#[test]
fn an_utterance_whose_handle_is_dropped_before_its_end_does_not_block_its_lane() {
    let stage = stage(options());
    let forgotten = stage.live.utterance(&SpeakOptions::default()).unwrap();
    forgotten.push("The first one is here. And then").unwrap();
    drop(forgotten);
    let next = speak(&stage, Lane::Answer, "The second one is here.");
    assert_eq!(next.wait(LONG), Some(Event::Finished));
}

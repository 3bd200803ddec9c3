//! Does what it is told, for programs that measure from outside. On standard input one task a line, on standard output
//! one line for each.
//!
//! `work flow|codec|frame PACK`: a task is a number of frames. For callgrind (`benches/count.py`), which counts the
//! instructions of two runs of different length: their difference is free of everything but frames.
//! `work backbone|prompt PACK`: a number of steps, or of a prompt's rows. For qemu's counting plugin (`boards/cross/count.sh`).
//! `work speak PACK`: a task is a sentence, answered in JSON. For comparisons (`benches/compare.py`).

#[path = "support/mod.rs"]
mod support;

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use syrinx::lab::backbone::{Backbone, BackboneWeights, PrefixCache, kernel_set};
use syrinx::lab::flow::{Solver, noise};
use syrinx::lab::frame::Frame;
use syrinx::lab::kernel::{Isa, Pool};
use syrinx::lab::pack::Pack;
use syrinx::{Model, ModelOptions, Next, Session, SessionOptions, SpeakOptions, Speech};

type Task = Box<dyn FnMut(&str) -> String>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [what, pack] = arguments.as_slice() else {
        // `cargo bench` runs every bench: this one has nothing to do then.
        assert!(arguments.is_empty(), "usage: work WHAT PACK");
        return;
    };
    let pack = Arc::new(support::open(pack));
    let mut task = match what.as_str() {
        "flow" => flow(&pack),
        "codec" => codec(&pack),
        "frame" => frame(&pack),
        "backbone" => backbone(&pack, |rows| (PROMPT_ROWS, rows)),
        "prompt" => backbone(&pack, |rows| (rows, 0)),
        "speak" => speak(&pack),
        _ => panic!("{what} is none of flow, codec, frame, backbone, prompt, speak"),
    };
    println!("{}", Isa::detect().name());
    for line in std::io::stdin().lock().lines() {
        println!("{}", task(&line.expect("a line")));
        std::io::stdout().flush().expect("standard output");
    }
}

fn frames(line: &str) -> usize {
    line.trim().parse().expect("a number of frames")
}

/// Frames of the flow head as the pack solves them.
fn flow(pack: &Pack) -> Task {
    let pool = Pool::new(1);
    let mut flow = support::flow_head(pack, &pool);
    let solver = Solver::of(&pack.manifest().defaults);
    let hidden: Vec<f32> = (0..pack.shape().flow.input_dim).map(|i| (i % 61) as f32 / 30.0 - 1.0).collect();
    let mut x = vec![0.0; flow.width()];
    Box::new(move |line| {
        for i in 0..frames(line) {
            noise::fill(0, i as u64, &mut x);
            flow.solve(&hidden, solver, &mut x, &pool, |_| {}).expect("velocities");
        }
        format!("{}", x[0])
    })
}

/// Frames of the codec, one at a time.
fn codec(pack: &Pack) -> Task {
    let pool = Pool::new(1);
    let mut codec = support::codec(pack);
    let frame = Frame::from_codes(&vec![7; pack.shape().audio.codes_per_frame()]).expect("few codes");
    let mut pcm = vec![0.0; codec.samples_per_frame()];
    Box::new(move |line| {
        for _ in 0..frames(line) {
            codec.decode(std::slice::from_ref(&frame), &mut pcm, &pool);
        }
        format!("{}", pcm[0])
    })
}

fn session(pack: &Arc<Pack>) -> Session {
    let model = Model::load(pack, ModelOptions::default()).expect("a model");
    model.session(SessionOptions::default()).expect("a session")
}

/// Whether there was another block; where a budget ends speech there is none.
fn next(speech: &mut Speech, pcm: &mut [f32]) -> bool {
    matches!(speech.next_into(pcm), Ok(Next::Audio(_)))
}

/// Whole frames, backbone and all, of one clause.
fn frame(pack: &Arc<Pack>) -> Task {
    let mut session = session(pack);
    let mut pcm = vec![0.0; session.model().info().samples_per_frame];
    Box::new(move |line| {
        let options = SpeakOptions::default().max_frames(frames(line) as u64);
        let mut speech = session.speak("The next train leaves at ten past four.", &options).expect("words");
        while next(&mut speech, &mut pcm) {}
        format!("{}", speech.summary().frames)
    })
}

/// Rows before the steps that are counted: some words with their voice.
const PROMPT_ROWS: usize = 100;

/// A backbone by itself: a prompt of so many rows, and so many steps after it.
fn backbone(pack: &Arc<Pack>, rows: fn(usize) -> (usize, usize)) -> Task {
    eprintln!("llama.cpp computes with {}", kernel_set().expect("a processor for this build"));
    let weights = BackboneWeights::open(pack, 1, PrefixCache::in_memory()).expect("a backbone");
    let dim = pack.shape().dim;
    Box::new(move |line| {
        let (prompt, steps) = rows(frames(line));
        let rows: Vec<f32> = (0..(prompt + steps) * dim).map(|i| (i % 61) as f32 / 300.0 - 0.1).collect();
        let (prompt, steps) = rows.split_at(prompt * dim);
        let mut backbone = Backbone::new(&weights, None, None).expect("a context");
        let mut last = backbone.prompt(prompt).expect("a state").hidden[0];
        for row in steps.chunks_exact(dim) {
            last = backbone.step(row).expect("a state").hidden[0];
        }
        format!("{last}")
    })
}

/// Most frames of a sentence: a model in training may not find an end.
const MOST_FRAMES: u64 = 200;

/// Sentences, with the times of the first block and of the last one.
fn speak(pack: &Arc<Pack>) -> Task {
    let mut session = session(pack);
    session.warm(None).expect("a voice");
    let rate_hz = f64::from(session.model().info().sample_rate_hz);
    let options = SpeakOptions::default().max_frames(MOST_FRAMES);
    let mut pcm = vec![0.0; session.model().info().samples_per_frame];
    Box::new(move |line| {
        let started = Instant::now();
        let ms = || started.elapsed().as_secs_f64() * 1e3;
        let mut first_ms = None;
        let mut speech = session.speak(line, &options).expect("words");
        while next(&mut speech, &mut pcm) {
            first_ms.get_or_insert_with(ms);
        }
        let audio_ms = speech.summary().frames as f64 * pcm.len() as f64 / rate_hz * 1e3;
        serde_json::json!({ "first_ms": first_ms, "total_ms": ms(), "audio_ms": audio_ms }).to_string()
    })
}

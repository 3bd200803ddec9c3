//! `syrinx bench sessions`: several clients on one model. In: a pack. Out: for each number of clients the frames per second
//! of all together, first audio and underruns of each, and whether each heard what it would have heard alone.

use std::hash::{DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use syrinx::{Model, Result, SessionOptions, SpeakOptions};

use super::{next_block, resident_kb, spread};
use crate::cli::arguments::{MachineArguments, PackArguments, SpeechArguments};
use crate::cli::output::outln;

const TEXTS: [&str; 4] = [
    "In three hundred metres, turn left into Harbour Street.",
    "The next train to the airport leaves at ten past four from platform two.",
    "It will rain in the afternoon, so you may want to take an umbrella.",
    "Your table is ready, and the waiter will be with you in a moment.",
];

#[derive(Debug, clap::Args)]
pub struct Sessions {
    /// Numbers of clients.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16])]
    clients: Vec<usize>,
    /// Sentences that each client has spoken.
    #[arg(long, default_value_t = 8)]
    sentences: usize,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pack: PackArguments,
    #[command(flatten)]
    speech: SpeechArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

/// What a client saw.
#[derive(Default)]
struct Client {
    first_ms: Vec<f64>,
    /// Blocks that came later than the sound before them lasted.
    underruns: u64,
    frames: u64,
    /// Of the samples of each sentence.
    hashes: Vec<u64>,
    /// Held by the process when the last sentence was spoken.
    resident_kb: Option<u64>,
}

impl Sessions {
    pub fn run(self) -> Result<()> {
        let pack = self.pack.open()?;
        let (model, session) = self.machine.load(&pack)?;
        let speak = self.speech.options(&pack)?;
        let _warm = client(&model, &session, &speak, 0, 1)?; // the first start is not a warm one
        let model_kb = resident_kb();
        let mut alone = Vec::new();
        let mut rows = Vec::new();
        for &clients in &self.clients {
            let begun = Instant::now();
            let seen = together(&model, &session, &speak, clients, self.sentences)?;
            let seconds = begun.elapsed().as_secs_f64();
            for number in alone.len()..clients {
                alone.push(client(&model, &session, &speak, number, self.sentences)?.hashes);
            }
            let frames: u64 = seen.iter().map(|client| client.frames).sum();
            rows.push(json!({
                "clients": clients,
                "frames_per_s": (frames as f64 / seconds * 10.0).round() / 10.0,
                "first_ms": spread(seen.iter().flat_map(|client| client.first_ms.clone()).collect()),
                "underruns": seen.iter().map(|client| client.underruns).collect::<Vec<_>>(),
                "bits_equal_alone": seen.iter().zip(&alone).all(|(client, alone)| client.hashes == *alone),
                "resident_mb": mb(seen.iter().filter_map(|client| client.resident_kb).max()),
            }));
        }
        let report = json!({
            "pack": pack.manifest().name,
            "threads": self.machine.threads(),
            "session_mb": mb(Some(model.session_bytes(&session)? >> 10)),
            "model_resident_mb": mb(model_kb),
            "rows": rows,
        });
        if self.json { outln!("{report}") } else { print(&report) }
    }
}

/// So many clients, each on its own thread and session.
fn together(
    model: &Model,
    session: &SessionOptions,
    speak: &SpeakOptions,
    clients: usize,
    sentences: usize,
) -> Result<Vec<Client>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..clients).map(|number| scope.spawn(move || client(model, session, speak, number, sentences))).collect();
        let failed = || syrinx::Error::new(syrinx::ErrorKind::Backend, "a client's thread panicked: see above");
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(failed()))).collect()
    })
}

/// One client's sentences, one after another; it plays them as they come.
fn client(
    model: &Model,
    session: &SessionOptions,
    speak: &SpeakOptions,
    number: usize,
    sentences: usize,
) -> Result<Client> {
    let mut session = model.session(session.clone())?;
    let mut seen = Client::default();
    let mut pcm = vec![0.0; model.info().samples_per_frame];
    let frame = Duration::from_secs_f64(pcm.len() as f64 / f64::from(model.info().sample_rate_hz));
    for sentence in 0..sentences {
        let text = TEXTS.get((number + sentence) % TEXTS.len()).copied().unwrap_or_default();
        let begun = Instant::now();
        let mut speech = session.speak(text, &speak.clone().seed(number as u64))?;
        let mut hasher = DefaultHasher::new();
        let mut dry_at: Option<Instant> = None;
        while next_block(&mut speech, &mut pcm)? {
            let now = Instant::now();
            match dry_at {
                None => seen.first_ms.push(begun.elapsed().as_secs_f64() * 1e3),
                Some(dry_at) => seen.underruns += u64::from(now > dry_at),
            }
            dry_at = Some(dry_at.map_or(now, |dry_at| dry_at.max(now)) + frame);
            pcm.iter().for_each(|sample| hasher.write_u32(sample.to_bits()));
            seen.frames += 1;
        }
        seen.hashes.push(hasher.finish());
    }
    seen.resident_kb = resident_kb();
    Ok(seen)
}

fn mb(kb: Option<u64>) -> Option<f64> {
    kb.map(|kb| (kb as f64 / 102.4).round() / 10.0)
}

fn print(report: &Value) -> Result<()> {
    let head = ["clients", "frames/s", "first p50", "first p95", "underruns", "bits as alone", "MB"];
    outln!(
        "pack {}, {} threads; {} MB without a session, {} MB a session (counted)",
        text(&report["pack"]),
        report["threads"],
        report["model_resident_mb"],
        report["session_mb"]
    )?;
    line(&head.map(str::to_owned))?;
    for row in report["rows"].as_array().into_iter().flatten() {
        let underruns: u64 = row["underruns"].as_array().into_iter().flatten().filter_map(Value::as_u64).sum();
        line(&[
            text(&row["clients"]),
            text(&row["frames_per_s"]),
            format!("{} ms", text(&row["first_ms"]["p50"])),
            format!("{} ms", text(&row["first_ms"]["p95"])),
            underruns.to_string(),
            text(&row["bits_equal_alone"]),
            text(&row["resident_mb"]),
        ])?;
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn line(cells: &[String; 7]) -> Result<()> {
    const WIDTHS: [usize; 7] = [7, 10, 13, 13, 11, 15, 8];
    let line: String = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:>width$}")).collect();
    outln!("{line}")
}

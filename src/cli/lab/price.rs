//! `syrinx pack --report`: what recipes and solvers cost. In: a checkpoint, or a pack. Out: a table, or JSON.
//!
//! The exact run speaks freely; every other one is fed its codes, with the same noise, so that each frame's error is its
//! own. The two take turns, sentence by sentence: a shared machine's speed changes by the second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use syrinx::lab::codec::{CodecDecoder, CodecWeights};
use syrinx::lab::flow::{FlowEngine, Guided, Method, Solver, noise};
use syrinx::lab::frame::{END, Frame};
use syrinx::lab::kernel::{Isa, Pool};
use syrinx::lab::pack::{OpenOptions, Pack, Voice};
use syrinx::lab::text::Speller;
use syrinx::{Error, ErrorKind, Result};
use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};
use syrinx_quant::manifest::MANIFEST_FILE;
use syrinx_quant::pack::Progress;
use syrinx_quant::report::{LogMel, Price, Run};

use super::stages::Stages;
use crate::cli::output::outln;

const SENTENCES: &str = "In three hundred metres, turn left into Harbour Street.\n\
                         The next train to the airport leaves at ten past four from platform two.\n\
                         It will rain in the afternoon, so you may want to take an umbrella.\n\
                         Your order is number seventy one.\n\
                         Did you mean the second door on the right, or the third?";

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Compared {
    /// f16, q8, q4 and q4-all with f32.
    Recipes,
    /// Fewer steps, less guidance and other methods with the model's own solver, in the recipe --recipe.
    Solvers,
}

#[derive(Debug, clap::Args)]
pub struct ReportArguments {
    /// Compare instead of packing: what recipes (or solvers) cost in quality and give in size and speed.
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "recipes", require_equals = true)]
    pub report: Option<Compared>,
    /// Report: most frames of a sentence.
    #[arg(long, default_value_t = 50, requires = "report")]
    frames: usize,
    /// Report: sentences to speak, one in a line.
    #[arg(long, value_name = "FILE", requires = "report")]
    sentences: Option<PathBuf>,
    /// Report: voice by name.
    #[arg(long, requires = "report")]
    voice: Option<String>,
    /// Report: threads.
    #[arg(long, default_value_t = 1, requires = "report")]
    threads: usize,
    /// Report: one JSON object.
    #[arg(long, requires = "report")]
    json: bool,
}

/// A pack and what speaks with it.
struct Speaker {
    stages: Stages,
    codec: CodecDecoder,
    voice: Arc<Voice>,
    /// What the pack asks for, and what its model was trained for.
    solver: Solver,
    model_solver: Solver,
    /// The sentences as its model reads them.
    clauses: Vec<String>,
    pool: Pool,
    seed: u64,
    bytes: u64,
    sample_rate_hz: u32,
    codes_per_frame: usize,
}

/// What was found.
pub struct Report {
    compared: Compared,
    prices: Vec<Price>,
    threads: usize,
}

impl ReportArguments {
    /// Speaks and compares. Errors: those of an import and of speaking.
    pub fn compare(
        &self,
        compared: Compared,
        from: &Path,
        recipe: Recipe,
        seed: u64,
        progress: &dyn Progress,
    ) -> Result<Report> {
        if self.frames == 0 || !(1..=256).contains(&self.threads) {
            return Err(Error::new(ErrorKind::BadOption, "choose --frames 1 or more, and --threads 1 to 256"));
        }
        let folder = tempfile::tempdir().map_err(|e| Error::io("write to", &std::env::temp_dir(), e))?;
        let open = |recipe: Recipe| -> Result<Speaker> {
            let to = folder.path().join(recipe.name());
            import(&ImportOptions { from: from.to_owned(), to: to.clone(), recipe, overwrite: true }, progress)?;
            self.speaker(&to, seed)
        };
        let prices = match compared {
            Compared::Recipes => self.recipes(open, progress)?,
            // A pack is taken as it is, whatever its recipe.
            Compared::Solvers if from.join(MANIFEST_FILE).is_file() => {
                self.solvers(&mut self.speaker(from, seed)?, progress)?
            }
            Compared::Solvers => self.solvers(&mut open(recipe)?, progress)?,
        };
        Ok(Report { compared, prices, threads: self.threads })
    }

    /// A table, or JSON where it was asked for. Errors: `Io`.
    pub fn print(&self, report: &Report) -> Result<()> {
        let Report { compared, prices, threads } = report;
        if self.json {
            let compared = match compared {
                Compared::Recipes => "recipes",
                Compared::Solvers => "solvers",
            };
            let rows: Vec<_> = prices.iter().map(Price::to_json).collect();
            let isa = Isa::detect().name();
            outln!("{}", json!({ "compared": compared, "rows": rows, "threads": threads, "isa": isa }))
        } else {
            print(prices)
        }
    }

    fn speaker(&self, dir: &Path, seed: u64) -> Result<Speaker> {
        let pack = Arc::new(Pack::open(dir, OpenOptions::default())?);
        let pool = Pool::new(self.threads);
        let text = match &self.sentences {
            Some(path) => std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?,
            None => SENTENCES.to_owned(),
        };
        let speller = Speller::new(&pack.manifest().text)?;
        let clauses: Vec<String> = text.lines().flat_map(|line| speller.clauses(line)).collect();
        if clauses.is_empty() {
            return Err(Error::new(ErrorKind::BadText, "the sentences are empty: give at least one word"));
        }
        Ok(Speaker {
            stages: Stages::open(&pack, None, FlowEngine::Native, &pool)?,
            codec: CodecDecoder::new(&CodecWeights::open(pack.speech(), pack.shape())?, 1),
            voice: pack.load_voices()?.get(self.voice.as_deref())?.clone(),
            solver: Solver::of(&pack.manifest().defaults),
            model_solver: Solver::euler(pack.shape().flow.steps, pack.shape().flow.guidance),
            clauses,
            pool,
            seed,
            bytes: pack.manifest().files.iter().map(|file| file.bytes).sum(),
            sample_rate_hz: pack.manifest().sample_rate_hz,
            codes_per_frame: pack.shape().audio.codes_per_frame(),
        })
    }

    /// Two packs are open at a time, the exact one and another.
    fn recipes(&self, open: impl Fn(Recipe) -> Result<Speaker>, progress: &dyn Progress) -> Result<Vec<Price>> {
        let mut exact = open(Recipe::F32)?;
        let mut mel = LogMel::new(exact.sample_rate_hz);
        let mut prices = vec![exact.price(Recipe::F32.name())];
        for recipe in Recipe::ALL.into_iter().filter(|&recipe| recipe != Recipe::F32) {
            let mut other = open(recipe)?;
            let mut price = other.price(recipe.name());
            for clause in 0..exact.clauses.len() {
                check_wanted(progress)?;
                let teacher = exact.speak(clause, exact.solver, None, self.frames)?;
                let found = other.speak(clause, exact.solver, Some(&teacher), self.frames)?;
                price.add(&found, &teacher, &mut mel);
                if prices.len() == 1 {
                    prices[0].add(&teacher, &teacher, &mut mel);
                }
            }
            prices.push(price);
        }
        Ok(prices)
    }

    fn solvers(&self, speaker: &mut Speaker, progress: &dyn Progress) -> Result<Vec<Price>> {
        let mut mel = LogMel::new(speaker.sample_rate_hz);
        let mut prices = Vec::new();
        let exact = speaker.model_solver;
        for solver in solvers(exact) {
            let mut price = speaker.price(&solver.to_string());
            for clause in 0..speaker.clauses.len() {
                check_wanted(progress)?;
                let teacher = speaker.speak(clause, exact, None, self.frames)?;
                let found = speaker.speak(clause, solver, Some(&teacher), self.frames)?;
                price.add(&found, &teacher, &mut mel);
            }
            prices.push(price);
        }
        Ok(prices)
    }
}

fn check_wanted(progress: &dyn Progress) -> Result<()> {
    match progress.cancelled() {
        true => Err(Error::new(ErrorKind::Cancelled, "stopped on request")),
        false => Ok(()),
    }
}

/// The model's own, then what is cheaper: fewer steps, each with guidance throughout, in the first half, and without; then
/// the other methods at the same numbers of evaluations. A single one is a step of Euler's, and in the first half.
fn solvers(own: Solver) -> Vec<Solver> {
    let fewer = [7, 5, 4, 3, 2, 1].into_iter().filter(|&steps| steps < own.steps);
    let steps: Vec<usize> = std::iter::once(own.steps).chain(fewer).collect();
    let guidance = match own.guidance {
        1.0 => vec![(1.0, Guided::Always)],
        weight => vec![(weight, Guided::Always), (weight, Guided::FirstHalf), (1.0, Guided::Always)],
    };
    let mut solvers = Vec::new();
    for method in [Method::Euler, Method::Midpoint, Method::Heun] {
        for &steps in &steps {
            solvers.extend(guidance.iter().map(|&(guidance, guided)| Solver { method, steps, guidance, guided }));
            solvers.retain(|s| s.steps > 1 || (s.method == Method::Euler && s.guided == Guided::Always));
        }
    }
    solvers
}

impl Speaker {
    fn price(&self, name: &str) -> Price {
        Price::new(name, self.bytes, self.codes_per_frame)
    }

    /// A clause, fed with the codes of `teacher` or its own, for as long as that lasts.
    fn speak(&mut self, clause: usize, solver: Solver, teacher: Option<&Run>, most_frames: usize) -> Result<Run> {
        let Self { stages, codec, pool, .. } = self;
        let text = self.clauses.get(clause).map(String::as_str).unwrap_or_default();
        stages.start(&self.voice, text)?;
        codec.reset();
        let mut run = Run::default();
        let mut own = Vec::new();
        let mut x = vec![0.0; stages.flow.width()];
        let mut noise = x.clone();
        let mut row = vec![0.0; stages.hidden().len()];
        let mut pcm = vec![0.0; codec.samples_per_frame()];
        let mut backbone_ms = None;
        let mut given = teacher.map(|run| run.codes.chunks_exact(self.codes_per_frame));
        for at in 0..most_frames {
            let fed = match &mut given {
                Some(given) => match given.next() {
                    Some(codes) => Frame::from_codes(codes),
                    None => break,
                },
                None if stages.semantic().code == END => break,
                None => None,
            };
            run.hidden.extend_from_slice(stages.hidden());
            noise::fill(self.seed, (clause * most_frames + at) as u64, &mut noise);
            x.copy_from_slice(&noise);
            let started = Instant::now();
            let frame = stages.solve(solver, &mut x, pool, |_| {})?;
            let flow_ms = ms(started);
            run.velocity.extend(x.iter().zip(&noise).map(|(end, start)| end - start));
            run.codes.extend_from_slice(&frame.codes);
            let fed = fed.unwrap_or_else(|| frame.clone());
            own.push(frame);
            let started = Instant::now();
            codec.decode(std::slice::from_ref(&fed), &mut pcm, pool);
            let codec_ms = ms(started);
            run.pcm.extend_from_slice(&pcm);
            // A first frame has a prompt instead of a step.
            run.frame_ms.extend(backbone_ms.map(|backbone_ms| [backbone_ms, flow_ms, codec_ms]));
            let started = Instant::now();
            stages.embed(&fed, &mut row)?;
            stages.feed(&row)?;
            backbone_ms = Some(ms(started));
        }
        codec.reset();
        run.spoken = vec![0.0; run.pcm.len()];
        codec.decode(&own, &mut run.spoken, pool);
        Ok(run)
    }
}

fn ms(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}

fn print(prices: &[Price]) -> Result<()> {
    let frames = prices.first().map_or(0, Price::frames);
    outln!("{frames} frames; agreement of codes and signal-to-noise in dB are against the first row\n")?;
    outln!(
        "| | MB | semantic | acoustic | levels off | hidden | velocity | PCM, same codes | log-mel dB | backbone ms | flow ms | codec ms | speed |"
    )?;
    outln!("|---|---|---|---|---|---|---|---|---|---|---|---|---|")?;
    let db = |db: f64| if db.is_infinite() { "equal".to_owned() } else { format!("{db:.1}") };
    for price in prices {
        let [backbone, flow, codec, _] = price.frame_ms();
        outln!(
            "| {} | {:.1} | {:.1} % | {:.1} % | {:.3} | {} | {} | {} | {:.2} | {backbone:.2} | {flow:.2} | {codec:.2} | {:.2} |",
            price.name,
            price.bytes as f64 / 1e6,
            100.0 * price.semantic_agreement(),
            100.0 * price.acoustic_agreement(),
            price.levels_off(),
            db(price.hidden_snr_db()),
            db(price.velocity_snr_db()),
            db(price.pcm_snr_db()),
            price.log_mel_db(),
            price.speed(),
        )?;
    }
    Ok(())
}

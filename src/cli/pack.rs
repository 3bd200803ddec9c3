//! `syrinx pack`: a checkpoint, or nothing but a size and a seed, becomes a pack; or its recipes are compared.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use syrinx::lab::text::Lexicon;
use syrinx::lab::text::lexicon::compact;
use syrinx::{Error, ErrorKind, Result};
use syrinx_quant::import::{ImportOptions, import};
use syrinx_quant::pack::{Progress, Written};
use syrinx_quant::synthetic::{self, Preset, RealtimePreset, SyntheticOptions};

use super::interrupt;
use super::output::errln;

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("source").required(true)))]
pub struct Pack {
    /// Checkpoint to import: consolidated.safetensors, params.json, tekken.json and, of a model that speaks,
    /// voice_embedding/; or a pack of the recipe f32, to make one of another.
    #[arg(long, value_name = "DIR", group = "source")]
    from: Option<PathBuf>,
    /// Random weights of a given size instead: for speed and memory, not for listening.
    #[arg(long, value_enum, group = "source", conflicts_with = "report")]
    synthetic: Option<SyntheticSize>,
    /// A lexicon of words in phones instead, to be made compact: `--to` is a file then.
    #[arg(long, value_name = "FILE", group = "source", conflicts_with = "report")]
    lexicon: Option<PathBuf>,
    /// Folder of the new pack.
    #[arg(long, value_name = "DIR", required_unless_present = "report", conflicts_with = "report")]
    to: Option<PathBuf>,
    /// Precision of the weights.
    #[arg(long, value_enum, default_value_t = Recipe::Q8)]
    recipe: Recipe,
    /// Seed of synthetic weights, or of a report's noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Replace a pack that is there already.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    report: super::lab::price::ReportArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SyntheticSize {
    #[value(name = "voxtral-4b")]
    Voxtral4b,
    Mid,
    Tiny,
    /// One that listens, of the released model's form.
    #[value(name = "realtime-4b")]
    Realtime4b,
    #[value(name = "realtime-tiny")]
    RealtimeTiny,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Recipe {
    F32,
    F16,
    Q8,
    Q4,
    Q4All,
}

impl Pack {
    pub fn run(self) -> Result<()> {
        let bar = Bar::new();
        let recipe = match self.recipe {
            Recipe::F32 => syrinx_quant::Recipe::F32,
            Recipe::F16 => syrinx_quant::Recipe::F16,
            Recipe::Q8 => syrinx_quant::Recipe::Q8,
            Recipe::Q4 => syrinx_quant::Recipe::Q4,
            Recipe::Q4All => syrinx_quant::Recipe::Q4All,
        };
        if let (Some(compared), Some(from)) = (self.report.report, &self.from) {
            let report = self.report.compare(compared, from, recipe, self.seed, &bar)?;
            bar.bar.finish_and_clear();
            return self.report.print(&report);
        }
        let Some(to) = self.to else {
            return Err(Error::new(ErrorKind::BadOption, "pack needs --to DIR, or --from DIR and --report"));
        };
        if let Some(lexicon) = &self.lexicon {
            bar.bar.finish_and_clear();
            return write_lexicon(lexicon, &to);
        }
        let (overwrite, seed) = (self.overwrite, self.seed);
        let folder = to.clone();
        let written = match (self.from, self.synthetic) {
            (Some(from), _) => import(&ImportOptions { from, to, recipe, overwrite }, &bar)?,
            (None, size) => {
                let speaks = |preset| {
                    synthetic::write(&SyntheticOptions { preset, to: to.clone(), recipe, seed, overwrite }, &bar)
                };
                let listens = |preset| synthetic::write_realtime(preset, &to, recipe, seed, overwrite, &bar);
                match size {
                    Some(SyntheticSize::Voxtral4b) => speaks(Preset::Voxtral4b),
                    Some(SyntheticSize::Mid) => speaks(Preset::Mid),
                    Some(SyntheticSize::Tiny) | None => speaks(Preset::Tiny),
                    Some(SyntheticSize::Realtime4b) => listens(RealtimePreset::Realtime4b),
                    Some(SyntheticSize::RealtimeTiny) => listens(RealtimePreset::RealtimeTiny),
                }?
            }
        };
        bar.bar.finish_and_clear();
        summary(&folder, &written);
        Ok(())
    }
}

/// A lexicon in compact form.
fn write_lexicon(from: &Path, to: &Path) -> Result<()> {
    let lexicon = compact::write(&Lexicon::open(from)?, to)?;
    errln!("{}: {} words, {:.2} MB", to.display(), lexicon.len(), lexicon.bytes() as f64 / 1e6);
    Ok(())
}

fn summary(to: &std::path::Path, written: &Written) {
    for fallback in &written.fallbacks {
        log::warn!(
            "{} is {} instead of {}: its rows do not fill the blocks",
            fallback.tensor,
            fallback.used,
            fallback.wanted
        );
    }
    let manifest = &written.manifest;
    let bytes: u64 = manifest.files.iter().map(|f| f.bytes).sum();
    errln!("{}: pack {} {}, {:.1} MB", to.display(), manifest.name, manifest.recipe, bytes as f64 / 1e6);
    if !manifest.licence.commercial {
        errln!("licence {}: no commercial use. {}", manifest.licence.spdx, manifest.licence.note);
    }
}

/// A bar on a terminal, nothing elsewhere. A signal ends the work, which leaves nothing behind then.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new() -> Self {
        interrupt::watch();
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {binary_bytes}/{binary_total_bytes} {eta}") {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Progress for Bar {
    fn start(&self, total_bytes: u64) {
        self.bar.set_length(total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn cancelled(&self) -> bool {
        interrupt::has_come()
    }
}

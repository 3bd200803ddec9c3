//! The commands. In: parsed arguments. Out: what the command prints or writes, or an error for the last line.

mod bench;
mod devices;
mod doctor;
mod inspect;
mod pack;
mod play;
mod price;
mod read;
mod say;
mod solver;
mod stages;
mod trace;
mod voices;

pub use bench::Counting;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use syrinx::pack::{OpenOptions, Pack};
use syrinx::{Error, ErrorKind, Result};

/// Speaks text on this device, offline.
#[derive(Debug, Parser)]
#[command(name = "syrinx", version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Speak text: to a WAV file, to standard output, to the sound device.
    Say(say::Say),
    /// Show how a text is read: word by word, what it was read from and by which rule.
    Read(read::Read),
    /// List the voices of a pack.
    Voices(voices::Voices),
    /// List the sound devices.
    Devices(devices::Devices),
    /// Show what is in a pack: sizes by part, licence, provenance.
    Inspect(inspect::Inspect),
    /// Import a checkpoint into a pack, or write a synthetic one.
    Pack(pack::Pack),
    /// Write what every stage computes, with the tensor names of the reference goldens.
    Trace(trace::Trace),
    /// Measure: the time of each stage of a frame, memory, bytes, and what this machine can read.
    Bench(Box<bench::Bench>),
    /// Examine this machine: board, speed predicted and measured, GPU, real time, sound, memory; and what to change.
    Doctor(Box<doctor::Doctor>),
}

pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Say(command) => command.run(),
        Command::Read(command) => command.run(),
        Command::Voices(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Pack(command) => command.run(),
        Command::Trace(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Doctor(command) => command.run(),
    }
}

/// Which pack, and how strictly it is opened.
#[derive(Debug, clap::Args)]
struct PackArguments {
    /// Folder of the pack. Without it: $SYRINX_PACK, then models/wren-en beside the program or here.
    #[arg(long, value_name = "DIR")]
    pack: Option<PathBuf>,
    /// Do not compare the files with their hashes (only for very slow media).
    #[arg(long)]
    no_verify: bool,
    /// Refuse packs whose licence forbids commercial use.
    #[arg(long)]
    commercial: bool,
}

impl PackArguments {
    fn open(&self) -> Result<Pack> {
        let dir = self.pack.clone().map_or_else(default_pack, Ok)?;
        Pack::open(&dir, OpenOptions { verify: !self.no_verify, commercial: self.commercial })
    }
}

/// The pack of somebody who named none.
fn default_pack() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("SYRINX_PACK") {
        return Ok(dir.into());
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("../share/syrinx/wren-en")));
    let candidates = [beside, Some(Path::new("models/wren-en").to_owned())];
    candidates.into_iter().flatten().find(|dir| dir.join("pack.toml").is_file()).ok_or_else(|| {
        let message = "no pack: name one with --pack DIR or $SYRINX_PACK, or make one with `syrinx pack`";
        Error::new(ErrorKind::BadPack, message)
    })
}

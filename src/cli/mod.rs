//! The commands. In: parsed arguments. Out: what the command prints or writes, or an error for the last line.

mod arguments;
mod devices;
mod inspect;
mod lab;
mod pack;
mod play;
mod say;
mod solver;
mod voices;

pub use lab::bench::Counting;

use clap::{Parser, Subcommand};
use syrinx::Result;

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
    /// List the voices of a pack.
    Voices(voices::Voices),
    /// List the sound devices.
    Devices(devices::Devices),
    /// Show what is in a pack: sizes by part, licence, provenance.
    Inspect(inspect::Inspect),
    /// Import a checkpoint into a pack, or write a synthetic one.
    Pack(pack::Pack),
    /// Write what every stage computes, with the tensor names of the reference goldens.
    Trace(lab::trace::Trace),
    /// Measure: the time of each stage of a frame, memory, bytes, and what this machine can read.
    Bench(Box<lab::bench::Bench>),
    /// Examine this machine: board, speed predicted and measured, GPU, real time, sound, memory; and what to change.
    Doctor(Box<lab::doctor::Doctor>),
}

pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Say(command) => command.run(),
        Command::Voices(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Pack(command) => command.run(),
        Command::Trace(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Doctor(command) => command.run(),
    }
}

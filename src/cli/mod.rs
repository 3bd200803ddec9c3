//! The commands. In: parsed arguments. Out: what the command prints or writes, or an error for the last line.

mod arguments;
mod detect;
mod devices;
mod hear;
mod inspect;
pub mod interrupt;
mod lab;
pub mod output;
mod pack;
mod play;
mod read;
mod say;
mod solver;
mod speechd;
mod voices;

pub use lab::bench::Counting;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use syrinx::Result;

/// Speaks text on this device, and hears it, offline.
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
    /// Hear speech: a recording becomes text, as it comes, or subtitles.
    Hear(hear::Hear),
    /// Tell whether a recording is of marked speech, which a program as this one has made.
    Detect(detect::Detect),
    /// Show how a text is read: word by word, what it was read from and by which rule.
    Read(read::Read),
    /// List the voices of a pack.
    Voices(voices::Voices),
    /// List the sound devices.
    Devices(devices::Devices),
    /// Be a module of speech-dispatcher: screen readers, browsers and Qt speak by it.
    SpeechdModule(speechd::SpeechdModule),
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

impl Arguments {
    /// Those of this process. Ends the program where they are wrong, or only ask for help.
    pub fn of_process() -> Self {
        Self::parse_from(spoken_last(std::env::args_os().collect()))
    }
}

/// `say "-5 degrees"` is a text, though it looks like an option: as no option begins with a figure or a space, such an
/// argument goes behind `--`, where it is taken as it is.
fn spoken_last(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_text = |argument: &OsString| {
        let mut bytes = argument.as_encoded_bytes().iter();
        bytes.next() == Some(&b'-') && bytes.next().is_some_and(|byte| byte.is_ascii_digit() || *byte == b' ')
    };
    if arguments.get(1).is_some_and(|command| command == "say" || command == "read")
        && !arguments.iter().any(|argument| argument == "--")
        && let Some(at) = arguments.iter().position(is_text)
    {
        let text = arguments.remove(at);
        arguments.extend(["--".into(), text]);
    }
    arguments
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let done = match arguments.command {
        Command::Detect(command) => return command.run(),
        Command::Say(command) => command.run(),
        Command::Hear(command) => command.run(),
        Command::Read(command) => command.run(),
        Command::Voices(command) => command.run(),
        Command::SpeechdModule(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Pack(command) => command.run(),
        Command::Trace(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Doctor(command) => command.run(),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::collections::HashSet;

    #[test]
    fn no_command_has_two_options_of_one_name() {
        for command in Arguments::command().get_subcommands() {
            let mut names = HashSet::new();
            for name in command.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(names.insert(name), "{} --{name}", command.get_name());
            }
        }
    }

    #[test]
    fn a_text_that_begins_with_a_dash_and_a_figure_is_no_option() {
        let moved = |arguments: &str| {
            let arguments = arguments.split('|').map(Into::into).collect();
            spoken_last(arguments).iter().map(|a| a.to_str().unwrap_or_default()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(moved("syrinx|say|-5 degrees|-o|a.wav"), "syrinx|say|-o|a.wav|--|-5 degrees");
        assert_eq!(moved("syrinx|say|- and so on"), "syrinx|say|--|- and so on");
        for as_it_is in ["syrinx|say|-o|a.wav|--|-5", "syrinx|say|a|-o|-", "syrinx|bench|-5", "syrinx"] {
            assert_eq!(moved(as_it_is), as_it_is);
        }
    }
}

//! The program `syrinx`: arguments in, speech or a table out, one line on standard error where something is wrong.

#![deny(unsafe_code)]

mod cli;

#[global_allocator]
static ALLOCATOR: cli::Counting = cli::Counting;

use std::process::ExitCode;

use cli::{interrupt, output};

fn main() -> ExitCode {
    syrinx::lab::board::system::keep_heap();
    // To the sound server's client its own end is an error; what is one, cpal tells.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,pulseaudio=off"))
        .format_timestamp(None)
        .format_target(false)
        .init();
    let outcome = cli::run(cli::Arguments::of_process());
    interrupt::end_if_asked();
    match outcome {
        Ok(code) => return code,
        Err(e) if output::is_closed_pipe(&e) => interrupt::end_by_closed_pipe(),
        Err(e) => output::note(format_args!("syrinx: {e}")),
    }
    ExitCode::FAILURE
}

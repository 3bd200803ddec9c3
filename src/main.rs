//! The program `syrinx`: arguments in, speech or a table out, one line on standard error where something is wrong.

#![deny(unsafe_code)]

mod cli;

#[global_allocator]
static ALLOCATOR: cli::Counting = cli::Counting;

use clap::Parser;

fn main() -> std::process::ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"))
        .format_timestamp(None)
        .format_target(false)
        .init();
    match cli::run(cli::Arguments::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("syrinx: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}

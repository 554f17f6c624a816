//! The `cost-rhythm` command.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a command line speaks on its standard streams")]

use std::process::ExitCode;

use clap::Parser;
use cost_rhythm::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cost-rhythm: {error:#}");
            ExitCode::from(2)
        }
    }
}

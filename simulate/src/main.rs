//! `make simulate SEEDS=...`: runs seeds until one fails.
#![allow(clippy::print_stdout, reason = "a command line speaks on its standard output")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulate::{Counts, Simulator};

/// Runs the pipeline over simulated servers with seeded faults
#[derive(Parser)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let mut simulator = match Simulator::new() {
        Ok(simulator) => simulator,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut total = Counts::default();
    for seed in arguments.from..arguments.from + arguments.seeds {
        match simulator.chaos(seed) {
            Ok(counts) => {
                total.calls += counts.calls;
                total.crashes += counts.crashes;
                total.failures += counts.failures;
                total.moves += counts.moves;
                total.zombies += counts.zombies;
            }
            Err(text) => {
                println!("{text}\nrepeat it with: cargo run --release -p simulate -- --from {seed} --seeds 1");
                return ExitCode::FAILURE;
            }
        }
        if (seed - arguments.from + 1).is_multiple_of(100) {
            println!("{} seeds, {:.0} s: {total:?}", seed - arguments.from + 1, begun.elapsed().as_secs_f64());
        }
    }
    println!("all equal: {} seeds in {:.0} s, {total:?}", arguments.seeds, begun.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

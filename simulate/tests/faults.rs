//! The simulation in `make test`: a crash at every step of a small workload, then a thousand seeds of anything.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a test")]

use simulate::dice::Dice;
use simulate::{Counts, Simulator};

/// Pairs of crash points that are tried beside all single ones.
const PAIRS: usize = 400;
const SEEDS: u64 = 1000;

#[test]
fn a_crash_at_any_step_of_io_changes_nothing() {
    let mut simulator = Simulator::new().unwrap();
    let points = 2 * simulator.calls().unwrap();
    assert!(points > 500, "{points} points");
    let mut crashes = 0;
    for point in 0..points {
        crashes += simulator.crash_at(&[point]).unwrap_or_else(|text| panic!("{text}")).crashes;
    }
    assert!(crashes > points * 9 / 10, "{crashes} crashes at {points} points");
    let mut dice = Dice::new(1);
    for _ in 0..PAIRS {
        let first = dice.below(points as usize) as u64;
        // The second one falls into the recovery from the first, mostly.
        let pair = [first, first + 1 + dice.below(60) as u64];
        simulator.crash_at(&pair).unwrap_or_else(|text| panic!("{text}"));
    }
    println!("{points} crash points and {PAIRS} pairs");
}

#[test]
fn a_thousand_seeds_of_chaos_end_like_a_quiet_run() {
    let mut simulator = Simulator::new().unwrap();
    let mut total = Counts::default();
    for seed in 0..SEEDS {
        let counts = simulator.chaos(seed).unwrap_or_else(|text| panic!("{text}"));
        total.crashes += counts.crashes;
        total.failures += counts.failures;
        total.zombies += counts.zombies;
    }
    assert!(total.crashes > SEEDS && total.failures > SEEDS && total.zombies > SEEDS / 2, "{total:?}");
    println!("{SEEDS} seeds, {total:?}");
}

//! What the first definition got wrong and the project's gets better: a job moved to another weekday, one huge spike, very sparse series. And what must stay:
//! chaos is chaos.
#![allow(clippy::expect_used, reason = "the lint does not see that helpers of tests are tests")]

mod rhythm_traces;

use detection::rhythm::{Basis, Judgement, Limits, State};
use rhythm_traces::trouble::{chaos, hours_in, job_at_any_hour, moved_weekly_job, random_bursts, spiked};
use rhythm_traces::{case, judged};

/// The hour at which `moved_weekly_job` moves.
const MOVED_AT: usize = 4 * 168;
const SPIKE_AT: usize = 26 * 24;

#[test]
fn a_weekly_job_that_moves_is_dissonant_where_it_was_chaotic_for_weeks() {
    for (length_h, noise, most_share) in [(24, 0.0, 0.1), (24, 0.3, 0.1), (8, 0.0, 0.1), (8, 0.3, 0.25)] {
        let (mut before, mut after) = (0, 0);
        for (from, to) in [(0, 4), (1, 2), (3, 1), (5, 0), (6, 3)] {
            let series = moved_weekly_job(from, to, length_h, noise);
            before += hours_in(&judged(&series, &Limits::reference())[MOVED_AT..], State::Chaotic);
            let now = judged(&series, &Limits::default());
            after += hours_in(&now[MOVED_AT..], State::Chaotic);
            assert!(hours_in(&now[MOVED_AT..], State::Dissonant) > 200, "it is not overlooked either");
        }
        assert!(before > 5 * 300, "{length_h} h, noise {noise}: {before}");
        assert!((after as f64) < most_share * before as f64, "{length_h} h, noise {noise}: {after} of {before}");
    }
}

#[test]
fn a_spike_of_any_size_costs_no_more_than_the_one_of_the_acceptance_table() {
    let cost = |size: f64, hour: usize, limits: &Limits| {
        let judged = &judged(&spiked(size, hour), limits)[SPIKE_AT..];
        let low = judged.iter().filter(|judgement| judgement.phase.smallest().is_some_and(|phase| phase < 0.8)).count();
        (low, judged.len() - hours_in(judged, State::Resonant))
    };
    let table = cost(200.0, 3, &Limits::default());
    for hour in [3, 8, 14] {
        for size in [500.0, 2_000.0, 20_000.0, 1e9] {
            let (low, off) = cost(size, hour, &Limits::default());
            assert!(low <= table.0 && off <= table.1, "{size} at {hour}: {low} {off}, {table:?}");
            let (low_before, off_before) = cost(size, hour, &Limits::reference());
            assert!(low < low_before && off < off_before / 3, "{size} at {hour}: {low} {off}, before {low_before} {off_before}");
        }
    }
}

#[test]
fn a_job_that_runs_on_its_days_at_any_hour_is_judged_by_days_and_resonant() {
    for weekdays in [&[1][..], &[1, 4], &[0, 1, 2, 3, 4]] {
        for seed in 0..5 {
            let series = job_at_any_hour(weekdays, 12, seed);
            let late = MOVED_AT..;
            let before = judged(&series, &Limits::reference());
            let after = judged(&series, &Limits::default());
            assert!(hours_in(&before[late.clone()], State::Chaotic) > 1300, "{weekdays:?} {seed}");
            assert!(hours_in(&after[late.clone()], State::Resonant) > 1200, "{weekdays:?} {seed}");
            assert!(after[late].iter().all(|judgement| judgement.basis == Basis::Days), "{weekdays:?} {seed}");
        }
    }
}

#[test]
fn a_nightly_job_at_its_hour_is_sparse_but_known_and_a_moved_night_is_seen() {
    let mut series = case("nightly batch 1 h/day");
    let still = judged(&series, &Limits::default());
    assert_eq!(still.last().map(|judgement| (judgement.state, judgement.basis)), Some((State::Resonant, Basis::Hours)));
    for day in 24..28 {
        series.swap(day * 24 + 2, day * 24 + 12);
    }
    let moved = &judged(&series, &Limits::default())[24 * 24..27 * 24];
    assert!(moved.iter().all(|judgement| judgement.basis == Basis::Hours));
    assert!(72 - hours_in(moved, State::Resonant) > 48);
}

#[test]
fn chaos_stays_chaos() {
    let share = |judged: Vec<Judgement>| hours_in(&judged[168..], State::Chaotic) as f64 / (judged.len() - 168) as f64;
    for seed in 0..10 {
        assert!(share(judged(&chaos(1.5, 672, seed), &Limits::default())) > 0.99, "{seed}");
        assert!(share(judged(&chaos(1.0, 672, seed), &Limits::default())) > 0.95, "{seed}");
        assert!(share(judged(&random_bursts(24, 2016, seed), &Limits::default())[1344..].to_vec()) > 0.95, "{seed}");
    }
    for name in ["exponential noise (CV 1)", "lognormal chaos s=1.5", "daily moved by 8 h last 4 days"] {
        assert_eq!(judged(&case(name), &Limits::default()).last().map(|judgement| judgement.state), Some(State::Chaotic), "{name}");
    }
}

#[test]
fn a_runaway_is_as_chaotic_as_before_though_it_is_one_deviation() {
    for (factor, lengths_h) in [(10.0, &[24, 60][..]), (50.0, &[24, 60, 120])] {
        for length_h in lengths_h.iter().copied() {
            let runs = |hour: &usize| (600..600 + length_h).contains(hour);
            let constant: Vec<f64> = (0..800).map(|hour| if runs(&hour) { 5.0 * factor } else { 5.0 }).collect();
            let cycle = spiked(0.0, 0).iter().enumerate().map(|(hour, spend)| if runs(&hour) { spend * factor } else { *spend }).collect();
            for series in [constant, cycle] {
                let window = 600..648 + length_h;
                let before = hours_in(&judged(&series, &Limits::reference())[window.clone()], State::Chaotic);
                let after = hours_in(&judged(&series, &Limits::default())[window], State::Chaotic);
                assert!(after * 10 >= before * 9, "x{factor} for {length_h} h: {after} of {before}");
            }
        }
    }
}

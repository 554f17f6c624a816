//! The measured figures of `docs/RHYTHM.md`: `cargo run --release -p detection --example rhythm_measures`.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a report to a terminal")]

#[path = "../tests/rhythm_traces/mod.rs"]
mod rhythm_traces;

use detection::rhythm::{Basis, Judgement, Limits, State};
use rhythm_traces::outcomes::{Outcome, days, outcomes, taxi_months, weeks};
use rhythm_traces::trouble::{chaos, hours_in, job_at_any_hour, moved_weekly_job, random_bursts, spiked};
use rhythm_traces::{judged, nyc_taxi, servegen_clients, servegen_models};

fn main() {
    weak_points();
    states();
    coverage();
    reliability();
}

/// The first definition and the project's.
fn before_and_after() -> [(&'static str, Limits); 2] {
    [("before", Limits::reference()), ("after", Limits::default())]
}

fn weak_points() {
    println!("a weekly job moved to another day (42 moves, 3 weeks each): mean hours chaotic, dissonant, resonant");
    for (length_h, noise) in [(24, 0.0), (24, 0.3), (8, 0.0), (8, 0.3)] {
        for (when, limits) in before_and_after() {
            let mut hours = [0; 3];
            for (from, to) in (0..7).flat_map(|from| (0..7).map(move |to| (from, to))).filter(|(from, to)| from != to) {
                let judged = judged(&moved_weekly_job(from, to, length_h, noise), &limits);
                for (sum, state) in hours.iter_mut().zip([State::Chaotic, State::Dissonant, State::Resonant]) {
                    *sum += hours_in(&judged[4 * 168..], state);
                }
            }
            println!("  {length_h:2} h, noise {noise:.1}, {when:6}: {:?}", hours.map(|hours| hours / 42));
        }
    }
    println!("one spike in a clean daily cycle: hours with phase below 0.8, hours not resonant, hours chaotic");
    for size in [50.0, 100.0, 200.0, 500.0, 2000.0, 20000.0] {
        for hour in [3, 14] {
            for (when, limits) in before_and_after() {
                let judged = &judged(&spiked(size, hour), &limits)[26 * 24..];
                let low = judged.iter().filter(|judgement| judgement.phase.smallest().is_some_and(|phase| phase < 0.8)).count();
                let resonant = hours_in(judged, State::Resonant);
                println!(
                    "  {size:5} at {hour:2} h, {when:6}: {low:3} {:3} {:3}",
                    judged.len() - resonant,
                    hours_in(judged, State::Chaotic)
                );
            }
        }
    }
    println!("sparse series, 12 weeks, the last 8: share of hours resonant, dissonant, chaotic, learning or idle; judged by days");
    for (name, weekdays) in [
        ("one day a week, any hour", &[1][..]),
        ("two days a week, any hour", &[1, 4]),
        ("weekdays, any hour", &[0, 1, 2, 3, 4]),
        ("every day, any hour", &[0, 1, 2, 3, 4, 5, 6]),
    ] {
        shares_of(name, |seed| job_at_any_hour(weekdays, 12, seed), 4 * 168);
    }
    shares_of("random bursts, 1 hour in 24", |seed| random_bursts(24, 12 * 168, seed), 4 * 168);
    shares_of("random bursts, 1 hour in 100", |seed| random_bursts(100, 12 * 168, seed), 4 * 168);
    println!("chaos must stay chaos, 4 weeks, the last 3:");
    shares_of("lognormal 1.5", |seed| chaos(1.5, 672, seed), 168);
    shares_of("lognormal 1.0", |seed| chaos(1.0, 672, seed), 168);
    shares_of("random bursts, 1 hour in 8", |seed| random_bursts(8, 672, seed), 168);
}

fn shares_of(name: &str, series: impl Fn(u64) -> Vec<f64>, from: usize) {
    for (when, limits) in before_and_after() {
        let all: Vec<Judgement> = (0..20).flat_map(|seed| judged(&series(seed), &limits).split_off(from)).collect();
        print_shares(name, when, &all);
    }
}

fn print_shares(name: &str, when: &str, all: &[Judgement]) {
    let share = |state: State| hours_in(all, state) as f64 / all.len() as f64;
    let days = all.iter().filter(|judgement| judgement.basis == Basis::Days).count() as f64 / all.len() as f64;
    println!(
        "  {name:28} {when:6}: {:.2} {:.2} {:.2} {:.2}; {days:.2}",
        share(State::Resonant),
        share(State::Dissonant),
        share(State::Chaotic),
        share(State::Learning) + share(State::Idle)
    );
}

fn states() {
    println!("real series, after 72 h: share of hours resonant, dissonant, chaotic, learning or idle; judged by days");
    for (when, limits) in before_and_after() {
        let taxi = judged(&nyc_taxi(), &limits).split_off(72);
        print_shares("nyc_taxi", when, &taxi);
        let changes = taxi.windows(2).filter(|pair| pair[0].state != pair[1].state).count();
        println!("    state changes a month: {:.2}", changes as f64 / (taxi.len() as f64 / 730.0));
        for (model, spend) in servegen_models() {
            print_shares(&format!("servegen {model}"), when, &judged(&spend, &limits).split_off(72));
        }
        let together =
            servegen_models().into_values().reduce(|sums, spend| sums.iter().zip(spend).map(|(sum, amount)| sum + amount).collect());
        print_shares("servegen, all together", when, &judged(&together.unwrap_or_default(), &limits).split_off(72));
        let clients: Vec<Judgement> = servegen_clients().values().flat_map(|spend| judged(spend, &limits).split_off(72)).collect();
        print_shares("servegen clients", when, &clients);
    }
}

/// Budgets as people set them: what the period before came to, more or less.
const BUDGETS: [f64; 7] = [0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5];

fn reliability() {
    println!("\nprobability of reaching the budget, said and come true | Brier score | of always saying the mean");
    let taxi = nyc_taxi();
    let mut groups: Vec<(&str, Vec<Outcome>)> = vec![
        ("nyc_taxi day", outcomes(&taxi, &days(taxi.len()), 336, 1.0)),
        ("nyc_taxi week", outcomes(&taxi, &weeks(taxi.len()), 336, 1.0)),
        ("nyc_taxi month", outcomes(&taxi, &taxi_months(), 336, 1.0)),
    ];
    let models = servegen_models();
    groups.push(("servegen models day", models.values().flat_map(|spend| outcomes(spend, &days(spend.len()), 72, 1.0)).collect()));
    groups.push(("servegen models week", models.values().flat_map(|spend| outcomes(spend, &weeks(spend.len()), 72, 1.0)).collect()));
    let clients = servegen_clients();
    let long = || clients.values().filter(|spend| spend.iter().filter(|amount| **amount > 0.0).count() >= 200);
    groups.push(("servegen clients day", long().flat_map(|spend| outcomes(spend, &days(spend.len()), 72, 1.0)).collect()));
    groups.push(("servegen clients week", long().flat_map(|spend| outcomes(spend, &weeks(spend.len()), 72, 1.0)).collect()));
    let mut everything = Vec::new();
    for (name, outcomes) in &groups {
        let said: Vec<(f64, bool)> = outcomes
            .iter()
            .filter(|outcome| outcome.before > 0.0)
            .flat_map(|outcome| {
                BUDGETS.map(|factor| (outcome.forecast.probability_of(factor * outcome.before), outcome.total >= factor * outcome.before))
            })
            .collect();
        reliability_table(name, &said);
        everything.extend(said);
    }
    reliability_table("all", &everything);
}

fn reliability_table(name: &str, said: &[(f64, bool)]) {
    let count = said.len().max(1) as f64;
    let truth = |came: bool| if came { 1.0 } else { 0.0 };
    let base = said.iter().map(|(_, came)| truth(*came)).sum::<f64>() / count;
    let brier = said.iter().map(|(said, came)| (said - truth(*came)).powi(2)).sum::<f64>() / count;
    let mut off = 0.0;
    let mut cells = String::new();
    for bin in 0..10 {
        let part: Vec<&(f64, bool)> = said.iter().filter(|(said, _)| ((said * 10.0) as usize).min(9) == bin).collect();
        if part.is_empty() {
            continue;
        }
        let size = part.len() as f64;
        let mean = part.iter().map(|(said, _)| said).sum::<f64>() / size;
        let came = part.iter().map(|(_, came)| truth(*came)).sum::<f64>() / size;
        off += (mean - came).abs() * size / count;
        cells += &format!(" {mean:.2}:{came:.2}({})", part.len());
    }
    println!("{name:24} Brier {brier:.3} of {:.3}, off by {off:.3} |{cells}", base * (1.0 - base));
}

fn coverage() {
    println!("80 % range: share of outcomes inside | below | above | width | error of expected | of straight line, all over the money | n");
    let taxi = nyc_taxi();
    report("nyc_taxi day", &outcomes(&taxi, &days(taxi.len()), 336, 1.0));
    report("nyc_taxi week", &outcomes(&taxi, &weeks(taxi.len()), 336, 1.0));
    report("nyc_taxi month", &outcomes(&taxi, &taxi_months(), 336, 1.0));
    let mut all = [Vec::new(), Vec::new()];
    for (model, spend) in servegen_models() {
        let daily = outcomes(&spend, &days(spend.len()), 72, 1.0);
        let weekly = outcomes(&spend, &weeks(spend.len()), 72, 1.0);
        report(&format!("servegen {model} day"), &daily);
        report(&format!("servegen {model} week"), &weekly);
        all[0].extend(daily);
        all[1].extend(weekly);
    }
    report("servegen models day", &all[0]);
    report("servegen models week", &all[1]);
    let mut all = [Vec::new(), Vec::new()];
    for spend in servegen_clients().values().filter(|spend| spend.iter().filter(|amount| **amount > 0.0).count() >= 200) {
        all[0].extend(outcomes(spend, &days(spend.len()), 72, 1.0));
        all[1].extend(outcomes(spend, &weeks(spend.len()), 72, 1.0));
    }
    report("servegen clients day", &all[0]);
    report("servegen clients week", &all[1]);
}

fn report(name: &str, outcomes: &[Outcome]) {
    let share = |is: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(is).sum::<f64>() / outcomes.len().max(1) as f64;
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    let below = share(&|o| flag(o.total < o.forecast.low * (1.0 - 1e-12)));
    let above = share(&|o| flag(o.total > o.forecast.high * (1.0 + 1e-12)));
    let width = share(&|o| o.forecast.high - o.forecast.low) / share(&|o| o.total).max(1e-9);
    let money = share(&|o| o.total).max(1e-9);
    let error = share(&|o| (o.forecast.expected - o.total).abs()) / money;
    let naive = share(&|o| (o.forecast.straight_line - o.total).abs()) / money;
    println!("{name:28} {:.3} | {below:.3} | {above:.3} | {width:.3} | {error:.3} | {naive:.3} | {}", 1.0 - below - above, outcomes.len());
    if std::env::args().any(|argument| argument == "--horizons") {
        let steps = [1, 3, 6, 12, 18, 24, 48, 96, 168, 336, 1000];
        for pair in steps.windows(2) {
            let part: Vec<&Outcome> = outcomes.iter().filter(|o| (pair[0]..pair[1]).contains(&o.remaining_h)).collect();
            if part.is_empty() {
                continue;
            }
            let inside = part.iter().filter(|o| o.total >= o.forecast.low && o.total <= o.forecast.high).count();
            println!("      {:4}..{:4} h {:.3} of {}", pair[0], pair[1], inside as f64 / part.len() as f64, part.len());
        }
    }
}

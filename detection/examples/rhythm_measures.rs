//! The measured figures of `docs/RHYTHM.md`: `cargo run --release -p detection --example rhythm_measures`.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a report to a terminal")]

#[path = "../tests/rhythm_traces/mod.rs"]
mod rhythm_traces;

use rhythm_traces::outcomes::{Outcome, days, outcomes, taxi_months, weeks};
use rhythm_traces::{nyc_taxi, servegen_clients, servegen_models};

fn main() {
    coverage();
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

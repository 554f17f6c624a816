//! The acceptance table of the rhythm, with everything that the project added to the first definition switched on.
#![allow(clippy::expect_used, reason = "the lint does not see that helpers of tests are tests")]

mod rhythm_traces;

use detection::rhythm::{Limits, State};
use rhythm_traces::{case, judged};

const TOLERANCE: f64 = 0.02;

struct Row {
    series: &'static str,
    /// Coherence, phase, entropy; `None` where the table has none.
    measures: Option<[f64; 3]>,
    state: State,
}

const fn row(series: &'static str, coherence: f64, phase: f64, entropy: f64, state: State) -> Row {
    Row { series, measures: Some([coherence, phase, entropy]), state }
}

const TABLE: [Row; 11] = [
    row("constant", 1.00, 1.00, 0.00, State::Resonant),
    row("constant + 30% noise", 0.78, 0.95, 0.17, State::Resonant),
    row("clean daily cycle", 1.00, 1.00, 0.00, State::Resonant),
    row("weekday/weekend cycle", 0.99, 1.00, 0.03, State::Resonant),
    row("growth +3%/day", 1.00, 1.00, 0.00, State::Resonant),
    row("daily + 1 spike (200x night) day 20", 0.89, 0.84, 0.06, State::Resonant),
    row("daily + 1 spike 2 days ago", 0.76, 0.75, 0.09, State::Dissonant),
    row("daily moved by 8 h last 4 days", 0.55, 0.38, 0.96, State::Chaotic),
    row("lognormal chaos s=1.5", 0.31, 0.71, 1.00, State::Chaotic),
    Row { series: "zero spend", measures: None, state: State::Idle },
    row("only 2 days of data", 1.00, 0.99, 0.00, State::Learning),
];

#[test]
fn every_row_of_the_acceptance_table_holds() {
    let mut wrong = Vec::new();
    for row in &TABLE {
        let last = *judged(&case(row.series), &Limits::default()).last().expect("hours");
        let found = [last.coherence, last.phase.smallest(), last.entropy];
        let near = match row.measures {
            Some(wanted) => found.iter().zip(wanted).all(|(found, wanted)| found.is_some_and(|found| (found - wanted).abs() <= TOLERANCE)),
            None => found == [None; 3],
        };
        if !near || last.state != row.state {
            wrong.push(format!("{}: {found:?} {} instead of {:?} {}", row.series, last.state, row.measures, row.state));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

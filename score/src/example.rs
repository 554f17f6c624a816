//! One trouble of the spend benchmark as the detector sees it, hour by hour.

use detection::spike::{Measure, SpikeDetector, Standing};

use crate::spend::{Kind, Spending, Trouble};

const HOUR_S: i64 = 3_600;
/// Hours shown before the trouble, and after it at most.
const BEFORE: usize = 72;
const AFTER: usize = 48;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Example {
    /// The series.
    pub name: String,
    /// What was injected.
    pub kind: &'static str,
    /// The hour of the series that is shown first.
    pub first: usize,
    /// What is shown.
    pub hours: Vec<Hour>,
    /// Place in `hours` at which the trouble begins, and at which an alert came first.
    pub began: usize,
    /// See `began`; `None`: it was not found in time.
    pub told: Option<usize>,
}

/// US dollars of one hour.
#[derive(Clone, Copy, Debug)]
pub struct Hour {
    /// With the trouble.
    pub spend: f64,
    /// Without.
    pub untouched: f64,
    /// What the detector expected.
    pub expected: f64,
    /// From where on it is a spike or an escalation, fixed before the hour; `None`: nothing would be one.
    pub limit: Option<f64>,
}

impl Example {
    /// The first trouble of this kind in the series of this name. The bar is the one that ships, not the benchmark's.
    pub fn of(series: &[Spending], troubles: &[Trouble], name: &str, kind: Kind) -> Option<Example> {
        let trouble = troubles.iter().find(|trouble| trouble.kind == kind && series[trouble.series].name == name)?;
        let untouched = &series[trouble.series].hourly;
        let (first, end) = (trouble.from.saturating_sub(BEFORE), (trouble.to + AFTER).min(untouched.len()));
        let mut detector = SpikeDetector::new(HOUR_S as u32, Measure::Spend);
        let (mut hours, mut told) = (Vec::new(), None);
        for (hour, spend) in trouble.hourly.iter().enumerate().take(end) {
            let at_s = hour as i64 * HOUR_S;
            // Sought only where it is shown: it takes some twenty looks.
            let limit = if hour >= first { detector.threshold(at_s) } else { None };
            let verdict = detector.observe(at_s, *spend);
            if hour >= first {
                hours.push(Hour { spend: *spend, untouched: untouched[hour], expected: verdict.expected, limit });
            }
            if (trouble.from..trouble.to).contains(&hour) && matches!(verdict.standing, Standing::Spike | Standing::Escalation) {
                told.get_or_insert(hour - first);
            }
        }
        Some(Example { name: name.to_owned(), kind: kind.name(), first, hours, began: trouble.from - first, told })
    }
}

//! Whatever comes in, what goes out is a number in its range.
#![allow(clippy::expect_used, reason = "the lint does not see that helpers of tests are tests")]

mod scope_watch;

use detection::action::GateInputs;
use detection::forecast::Period;
use detection::rhythm::{Hour, HourSpend};
use proptest::prelude::*;
use scope_watch::{ScopeReport, ScopeWatch, WatchSettings};

fn spend() -> impl Strategy<Value = f64> {
    prop_oneof![5 => 0.0..10.0, 2 => Just(0.0), 1 => 0.0..1e12, 1 => 0.0..1e-12, 1 => Just(f64::NAN), 1 => -10.0..0.0]
}

fn reports(amounts: &[f64], first: i64, scale: f64) -> Vec<ScopeReport> {
    let settings = WatchSettings::default();
    let mut watch = ScopeWatch::default();
    let mut spent = 0.0;
    (first..)
        .zip(amounts)
        .map(|(hour, amount)| {
            let spend = HourSpend::new(amount * scale);
            spent += spend.amount();
            let month = Period::new(Hour(first), Hour(first + 744), spent, 500.0 * scale).expect("a period");
            let gate = GateInputs { revenue: Some(spent), cost: spent, calls: 10, calls_within_objective: Some(9), age_h: 0 };
            watch.close_hour(Hour(hour), spend, Some(&month), &gate, &settings).expect("in order")
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_figure_is_in_its_range(amounts in prop::collection::vec(spend(), 1..600), first in -1000_i64..1_000_000) {
        for report in reports(&amounts, first, 1.0) {
            let judgement = report.judgement;
            let shares = [judgement.coherence, judgement.phase.smallest(), judgement.entropy, Some(judgement.unprecedented)];
            for share in shares.into_iter().flatten() {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&share), "{judgement:?}");
            }
            prop_assert!(judgement.expected.is_finite() && judgement.expected >= 0.0 && judgement.episodes.is_finite(), "{judgement:?}");
            let forecast = report.forecast.expect("a budget");
            let rounding = 1e-9 * forecast.high.abs().max(1.0);
            prop_assert!(forecast.spent <= forecast.low + rounding && forecast.low <= forecast.expected + rounding, "{forecast:?}");
            prop_assert!(forecast.expected <= forecast.high + rounding && forecast.high.is_finite(), "{forecast:?}");
            if let (Some(expected), Some(earliest)) = (forecast.exceeded_at, forecast.exceeded_at_earliest) {
                prop_assert!(earliest <= expected, "{forecast:?}");
            }
            let advice = report.recommendation.expect("a budget");
            prop_assert!((0.0..=1.0).contains(&advice.confidence.probability()), "{advice:?}");
        }
    }

    #[test]
    fn the_currency_does_not_matter(amounts in prop::collection::vec(0.01..10.0, 100..400)) {
        let (dollars, won) = (reports(&amounts, 0, 1.0), reports(&amounts, 0, 1380.5));
        for (dollar, won) in dollars.iter().zip(&won) {
            prop_assert_eq!(dollar.judgement.state, won.judgement.state);
            let (dollar, won) = (dollar.judgement.coherence.unwrap_or_default(), won.judgement.coherence.unwrap_or_default());
            prop_assert!((dollar - won).abs() < 1e-6);
        }
    }
}

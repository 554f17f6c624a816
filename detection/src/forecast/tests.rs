use super::*;
use crate::rhythm::HourSpend;

/// A series of steady spend, `per_hour` for `hours` hours from hour 0.
fn steady(hours: i64, per_hour: f64) -> (Forecaster, Expectation) {
    let mut forecaster = Forecaster::default();
    let mut expectation = Expectation::default();
    for hour in 0..hours {
        expectation.learn(Hour(hour), HourSpend::new(per_hour));
        forecaster.close_hour(Hour(hour), per_hour, &expectation);
    }
    (forecaster, expectation)
}

fn period(start: i64, end: i64, spent: f64, budget: f64) -> Period {
    Period::new(Hour(start), Hour(end), spent, budget).expect("a period")
}

#[test]
fn steady_spend_is_projected_along_its_line_with_a_narrow_range() {
    let (forecaster, expectation) = steady(720, 2.0);
    let forecast = forecaster.forecast(&period(672, 1344, 96.0, 1000.0), Hour(720), &expectation);
    assert!((forecast.expected - 1344.0).abs() < 1e-6, "{forecast:?}");
    assert!((forecast.straight_line - 1344.0).abs() < 1e-6, "{forecast:?}");
    assert!(forecast.low < 1344.0 && forecast.high > 1344.0, "{forecast:?}");
    assert!((forecast.high - forecast.low) / 1344.0 < 0.5, "{forecast:?}");
    let day = forecaster.forecast(&period(720, 744, 0.0, 1000.0), Hour(720), &expectation);
    assert!((day.high - day.low) / 48.0 < 0.1, "short horizons have seen that they never err: {day:?}");
}

#[test]
fn the_budget_is_exceeded_in_the_hour_that_reaches_it() {
    let (forecaster, expectation) = steady(720, 2.0);
    // 10 were spent; 45 hours of 2 reach 100 in the hour 720 + 44.
    let forecast = forecaster.forecast(&period(715, 1000, 10.0, 99.999), Hour(720), &expectation);
    assert_eq!(forecast.exceeded_at, Some(Hour(764)));
    let later = forecaster.forecast(&period(715, 2000, 10.0, 1010.0), Hour(720), &expectation);
    assert_eq!(later.exceeded_at, Some(Hour(1219)));
    assert!(later.exceeded_at_earliest < later.exceeded_at, "{later:?}");
}

#[test]
fn a_budget_that_is_not_reached_has_no_date_and_one_already_reached_has_the_latest_hour() {
    let (forecaster, expectation) = steady(720, 2.0);
    let far = forecaster.forecast(&period(715, 800, 10.0, 10_000.0), Hour(720), &expectation);
    assert_eq!((far.exceeded_at, far.exceeded_at_earliest), (None, None));
    let reached = forecaster.forecast(&period(715, 800, 10.0, 10.0), Hour(720), &expectation);
    assert_eq!(reached.exceeded_at, Some(Hour(719)));
}

#[test]
fn a_period_that_is_over_is_what_was_spent() {
    let (forecaster, expectation) = steady(720, 2.0);
    let over = forecaster.forecast(&period(696, 720, 48.0, 40.0), Hour(720), &expectation);
    for amount in [over.expected, over.low, over.high, over.straight_line] {
        assert!((amount - 48.0).abs() < 1e-9, "{over:?}");
    }
    assert!((over.probability_of(48.0) - 1.0).abs() < f64::EPSILON);
    assert!(over.probability_of(48.001).abs() < f64::EPSILON);
}

#[test]
fn probabilities_agree_with_the_range() {
    let (forecaster, expectation) = steady(720, 2.0);
    let forecast = forecaster.forecast(&period(672, 1344, 96.0, 1000.0), Hour(720), &expectation);
    assert!((forecast.probability_of(forecast.high) - 0.1).abs() < 1e-9);
    assert!((forecast.probability_of(forecast.expected) - 0.5).abs() < 1e-9);
    assert!((forecast.probability_of(forecast.low) - 0.9).abs() < 1e-9);
}

#[test]
fn a_series_without_history_has_a_projection_too() {
    let forecast = Forecaster::default().forecast(&period(0, 24, 0.0, 5.0), Hour(0), &Expectation::default());
    assert!([forecast.expected, forecast.low, forecast.high, forecast.straight_line].iter().all(|amount| amount.abs() < f64::EPSILON));
    assert_eq!(forecast.exceeded_at, None);
    assert!(forecast.probability_of(5.0).abs() < f64::EPSILON);
}

#[test]
fn periods_that_are_none_are_refused() {
    assert!(matches!(Period::new(Hour(5), Hour(5), 0.0, 1.0), Err(PeriodError::Empty { .. })));
    assert!(matches!(Period::new(Hour(5), Hour(6), 0.0, 0.0), Err(PeriodError::Budget(_))));
    assert!(matches!(Period::new(Hour(5), Hour(6), f64::NAN, 1.0), Err(PeriodError::Spent(_))));
}

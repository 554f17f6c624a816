//! Which alerts there are, by the definition alone: the final judged spend of one quarter hour after the other.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::alert::{Alert, AlertState};
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};
use schemas::{Bucket, Money, Timestamp};

use super::super::MonitorRules;
use super::protocol::{BUDGETS, Dice, Event, fold, log, some_inputs};
use super::world::rules;

/// Budget, scope, start of the period, threshold, state, how often before.
type Told = (String, String, Timestamp, Money, AlertState, u32);

/// What entered the judged spend, by quarter hour.
type Entered = BTreeMap<Bucket, i128>;

/// By budget (its index), scope and start of the period.
fn entered(rules: &MonitorRules, inputs: &[Vec<Event>]) -> BTreeMap<(usize, String, Timestamp), Entered> {
    let mut all: BTreeMap<(usize, String, Timestamp), Entered> = BTreeMap::new();
    for events in inputs {
        let (mut newest, mut closed) = (Timestamp::MIN, Bucket::from_number(0));
        for event in events {
            let bucket = Bucket::of(event.when).max(closed);
            let enters = if event.cost.is_negative() { bucket.plus(2) } else { bucket };
            for (budget, length, scope) in [(0, HOUR_US, "total".to_owned()), (1, DAY_US, format!("user_id={}", event.user))] {
                let start = Timestamp::from_micros(event.when.micros() - event.when.micros() % length);
                let kept_until = start.plus(length + rules.retain_us);
                if bucket.start() < kept_until && enters.start() < kept_until {
                    *all.entry((budget, scope, start)).or_default().entry(enters).or_default() += event.cost.units();
                }
            }
            newest = newest.max(event.when);
            closed = closed.max(Bucket::of(newest.plus(-MINUTE_US)));
        }
    }
    all
}

fn expected(rules: &MonitorRules, inputs: &[Vec<Event>]) -> BTreeSet<Told> {
    let mut told = BTreeSet::new();
    for ((number, scope, start), entered) in entered(rules, inputs) {
        let budget = &rules.budgets[number];
        let end = start.plus([HOUR_US, DAY_US][number] + rules.retain_us);
        // For each threshold: is it on, how often was it left, and when last?
        let mut states = vec![(false, 0_u32, None::<Bucket>); budget.thresholds.len()];
        let mut sum = 0;
        let Some(first) = entered.keys().next() else { continue };
        for bucket in (0..).map(|nth| first.plus(nth)).take_while(|bucket| bucket.start() < end) {
            sum += entered.get(&bucket).copied().unwrap_or(0);
            let is_over = |nth: usize| sum >= budget.thresholds[nth].amount.units();
            let mut tell = |nth: usize, state, times| {
                told.insert((budget.name.clone(), scope.clone(), start, budget.thresholds[nth].amount, state, times));
            };
            for (nth, state) in states.iter_mut().enumerate().filter(|(nth, state)| state.0 && !is_over(*nth)) {
                tell(nth, AlertState::Resolved, state.1);
                *state = (false, state.1 + 1, Some(bucket));
            }
            let may = |left: Option<Bucket>| left.is_none_or(|left| left.plus(4) <= bucket);
            let highest = (0..states.len()).rev().find(|nth| is_over(*nth) && may(states[*nth].2));
            for (nth, state) in states.iter_mut().enumerate().take(highest.map_or(0, |nth| nth + 1)) {
                if !std::mem::replace(&mut state.0, true) {
                    tell(nth, if nth == 0 { AlertState::Fired } else { AlertState::Escalated }, state.1);
                }
            }
        }
    }
    told
}

fn told(alert: &Alert) -> Told {
    (alert.rule.clone(), alert.scope.clone(), alert.period_start, alert.threshold, alert.state, alert.repeat)
}

fn check(seed: u64, monitor_hours: i64) -> Result<BTreeSet<Told>, TestCaseError> {
    let dice = &mut Dice(seed);
    let inputs = some_inputs(dice, true);
    let rules = MonitorRules { retain_us: monitor_hours * HOUR_US, ..rules(BUDGETS) };
    let log = log(inputs.clone(), true, HOUR_US, dice);
    let tables = fold(&rules, &log, dice, false);
    let found: BTreeSet<Told> = tables.alerts.iter().map(told).filter(|told| told.4 != AlertState::PeriodReset).collect();
    let expected = expected(&rules, &inputs);
    let differing: Vec<&Told> = found.symmetric_difference(&expected).collect();
    prop_assert!(differing.is_empty(), "{differing:?}");
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn alerts_are_those_of_the_definition(seed: u64, monitor_hours in 0_i64..30) {
        check(seed, monitor_hours)?;
    }
}

#[test]
fn such_runs_leave_thresholds_and_reach_them_again() {
    let mut found: BTreeMap<(AlertState, bool), usize> = BTreeMap::new();
    for seed in 0..60 {
        for told in check(seed, 4).unwrap() {
            *found.entry((told.4, told.5 > 0)).or_default() += 1;
        }
    }
    assert_eq!(found.len(), 6, "fired, escalated and resolved, for the first time and again: {found:?}");
}

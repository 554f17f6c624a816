//! Budgets of the last hours: what a plain definition says, whatever interleavings, crashes and zombies do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::alert::AlertState;
use schemas::rates::Rates;
use schemas::timestamp::{HOUR_US, MINUTE_US};
use schemas::{Bucket, Money, Timestamp};

use super::super::{Monitor, MonitorRules};
use super::protocol::{Dice, Event, differences, fold, log, some_inputs};
use super::world::{Bench, Cell, Head, at, money, rules, spent, user};

const BUDGETS: &str = r#"
    [[budget]]
    name = "three"
    limit = "30"
    window = "rolling"
    hours = 3
    thresholds = [{ at = "0.5", level = "warning" }, { at = "1", level = "critical" }, { at = "1.5", level = "emergency" }]
    [[budget]]
    name = "each"
    limit = "20"
    currency = "EUR"
    window = "rolling"
    hours = 5
    per = ["user_id"]
    thresholds = [{ at = "0.4", level = "warning" }, { at = "1", level = "critical" }]
"#;

fn rolling() -> MonitorRules {
    let rates = "[[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.92\"\nfrom = 2020-01-01T00:00:00Z\n";
    MonitorRules { rates: Rates::parse_all(&[("rates", rates)]).unwrap(), ..rules(BUDGETS) }
}

/// What came: the hour in which it entered, whether it was on time, the hour of the event, the user, the amount.
type Came = (i64, bool, i64, &'static str, Money);

fn all_that_came(inputs: &[Vec<Event>]) -> Vec<Came> {
    let hour_of = |bucket: Bucket| i64::from(bucket.number() / 4);
    let mut came = Vec::new();
    for input in inputs {
        let mut newest = Timestamp::MIN;
        for event in input {
            let closed_before = Bucket::of(newest.plus(-MINUTE_US)).start();
            newest = newest.max(event.when);
            let entered = Bucket::of(event.when.max(closed_before));
            let is_on_time = entered == Bucket::of(event.when);
            came.push((hour_of(entered), is_on_time, hour_of(Bucket::of(event.when)), event.user, event.cost));
        }
    }
    came
}

/// The lives of all thresholds of a scope: in which hour each was reached or left, and the period of its episode.
fn definition(came: &[Came], hours: i64, thresholds: &[Money], rate: Money) -> Vec<(AlertState, Money, i64)> {
    let sum = |is_in: &dyn Fn(&Came) -> bool| {
        let mut by_hour: BTreeMap<i64, Money> = BTreeMap::new();
        for came in came.iter().filter(|came| is_in(came)) {
            let held = by_hour.entry(came.2).or_default();
            *held = held.checked_add(came.4).unwrap();
        }
        by_hour.values().fold(Money::ZERO, |sum, usd| sum.checked_add(usd.checked_mul_rate(rate).unwrap()).unwrap())
    };
    let (Some(first), Some(last)) = (came.iter().map(|came| came.0).min(), came.iter().map(|came| came.0).max()) else { return Vec::new() };
    let mut told = Vec::new();
    let mut steps = vec![(false, 0); thresholds.len()];
    let mut since = 0;
    for hour in first..=last + hours + 4 {
        let in_window = |came: &Came| (hour - hours + 1..=hour).contains(&came.2);
        let running = sum(&|came: &Came| in_window(came) && (came.0 < hour || (came.0 == hour && came.1 && !came.4.is_negative())));
        let closed = sum(&|came: &Came| in_window(came) && came.0 <= hour);
        let has_debits = came.iter().any(|came| came.0 == hour && came.1 && !came.4.is_negative());
        for amount in [running, closed] {
            if amount == running && !has_debits && amount != closed {
                continue;
            }
            for nth in 0..thresholds.len() {
                if amount >= thresholds[nth] {
                    let is_first = steps.iter().all(|step: &(bool, u32)| !step.0);
                    if !steps[nth].0 {
                        if is_first {
                            since = hour;
                        }
                        told.push((if is_first { AlertState::Fired } else { AlertState::Escalated }, thresholds[nth], since));
                    }
                    steps[nth] = (true, 0);
                }
            }
        }
        for nth in (0..thresholds.len()).rev().filter(|nth| closed < thresholds[*nth]) {
            steps[nth].1 += 1;
            if steps[nth].0 && steps[nth].1 >= 3 {
                steps[nth].0 = false;
                told.push((AlertState::Resolved, thresholds[nth], since));
            }
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_told_is_that_of_the_definition_and_of_a_quiet_run(seed: u64) {
        let dice = &mut Dice(seed);
        let inputs = some_inputs(dice, true);
        let quiet = fold(&rolling(), &log(inputs.clone(), false, HOUR_US, dice), dice, false);
        let troubled = fold(&rolling(), &log(inputs.clone(), true, HOUR_US, dice), dice, false);
        let told = |tables: &super::world::Tables, rule: &str, scope: &str, hours: i64| -> Vec<(AlertState, Money, i64)> {
            let of_it = tables.alerts.iter().filter(|alert| alert.rule == rule && alert.scope == scope);
            of_it.map(|alert| (alert.state, alert.threshold, alert.period_start.micros().div_euclid(HOUR_US) + hours - 1)).collect()
        };
        let came = all_that_came(&inputs);
        let amounts = |texts: &[&str]| texts.iter().map(|text| money(text)).collect::<Vec<_>>();
        let three = definition(&came, 3, &amounts(&["15", "30", "45"]), Money::from_whole(1));
        prop_assert_eq!(told(&quiet, "three", "total", 3), three);
        for name in ["ada", "bob", "eve"] {
            let own: Vec<Came> = came.iter().filter(|came| came.3 == name).copied().collect();
            let each = definition(&own, 5, &amounts(&["8", "20"]), money("0.92"));
            prop_assert_eq!(told(&quiet, "each", &format!("user_id={name}"), 5), each, "{}", name);
        }
        prop_assert_eq!(troubled.told(), quiet.told());
        prop_assert_eq!(troubled.alerts.len(), troubled.alert_ids().len(), "each once");
        let amounts = |tables: &super::world::Tables| -> BTreeMap<_, _> {
            tables.budgets.iter().map(|(key, value)| (key.clone(), (value.1, value.3.clone(), value.4.clone()))).collect()
        };
        prop_assert_eq!(differences(&amounts(&troubled), &amounts(&quiet)), Vec::<String>::new());
    }

    #[test]
    fn a_restart_after_every_record_changes_nothing(seed: u64) {
        let dice = &mut Dice(seed);
        let log = log(some_inputs(dice, true), true, HOUR_US, dice);
        let restarted = fold(&rolling(), &log, &mut dice.clone(), true);
        let steady = fold(&rolling(), &log, &mut dice.clone(), false);
        prop_assert!(restarted.log == steady.log);
    }
}

fn of_ada(hour: u32, cost: &str) -> Cell {
    let bucket = Bucket::of(at("2026-11-22T10:00:00Z")).plus(4 * hour);
    user("ada", bucket, i64::from(hour) + 1, spent(money(cost), bucket.start().plus(MINUTE_US)))
}

fn closed(hours: u32) -> Head {
    Head::last(i64::from(hours)).closing(Bucket::of(at("2026-11-22T10:00:00Z")).plus(4 * hours).start())
}

#[test]
fn a_threshold_is_told_in_the_running_hour_with_the_hours_before_and_explained() {
    let mut bench = Bench::new(rolling());
    bench.send(&closed(1), &[of_ada(0, "5")]);
    bench.send(&closed(1), &[of_ada(1, "3.69")]);
    assert_eq!(bench.tables.states(), Vec::<String>::new(), "8.69 USD are 7.9948 EUR");
    let more = Cell { version: 3, ..of_ada(1, "3.7") };
    bench.send(&closed(1), &[more]);
    assert_eq!(bench.tables.states(), ["user_id=ada fired 8 8.004"]);
    let alert = &bench.tables.alerts[0];
    assert_eq!((alert.period.as_str(), alert.rule.as_str()), ("5 h to 2026-11-22T12:00Z", "each"));
    assert_eq!(
        alert.explanation,
        "user_id=ada (budget each) has spent 8.004 EUR within 5 hours: 40 % of the limit of 20 EUR. That reached the threshold of 40 % (8 EUR)."
    );
    // It leaves the window with its hours.
    bench.send(&closed(9), &[]);
    assert_eq!(bench.tables.states().last().unwrap(), "user_id=ada resolved 8 0");
    assert_eq!(bench.tables.alerts[1].kafka_key(), bench.tables.alerts[0].kafka_key(), "one life, one key");
    assert_eq!(bench.monitor.gauges().budget_states, 0, "nothing is kept of who spends nothing");
    let last = bench.tables.budgets.iter().next_back().unwrap();
    assert_eq!((last.0.2, last.1.1, last.1.4.as_str()), (at("2026-11-22T13:00:00Z"), Money::ZERO, "5 h to 2026-11-22T18:00Z"));
}

#[test]
fn a_budget_with_another_window_begins_anew_and_one_that_is_gone_is_forgotten() {
    let mut bench = Bench::new(rolling());
    bench.send(&closed(1), &[of_ada(0, "5")]);
    let state = bench.monitor.snapshot().unwrap();
    let with =
        |text: String| Monitor::restore(&state, MonitorRules { rates: rolling().rates, ..rules(&text) }).unwrap().gauges().budget_states;
    assert_eq!(with(BUDGETS.to_owned()), 1);
    assert_eq!(with(BUDGETS.replace("hours = 5", "hours = 6")), 0);
    assert_eq!(with(BUDGETS.split("[[budget]]").take(2).collect::<Vec<_>>().join("[[budget]]")), 0);
}

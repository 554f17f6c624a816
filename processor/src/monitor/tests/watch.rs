//! What is watched is told the same way whatever interleavings, crashes and zombies do, and as a plain definition says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::alert::{Alert, AlertState, Level};
use schemas::timestamp::{HOUR_US, MINUTE_US};
use schemas::{Bucket, Dimension, GroupingSet, Money, Timestamp};

use super::super::{Monitor, MonitorRules, WatchRules};
use super::protocol::{Dice, Event, START, differences, fold, log};
use super::world::{Bench, Cell, Head, at, money, rules, spent, total};

/// Everything is watched, and told from a cent on.
fn watching() -> MonitorRules {
    let watch = WatchRules { except: Some(Vec::new()), min_amount: money("0.01"), hour_above: Some(money("45")), ..WatchRules::default() };
    MonitorRules { watch, ..rules(BUDGET) }
}

/// Without the rule about what is rare.
fn watching_plainly() -> MonitorRules {
    let rules = watching();
    MonitorRules { watch: WatchRules { spike: false, ..rules.watch.clone() }, ..rules }
}

const BUDGET: &str = r#"
    [[budget]]
    name = "all"
    limit = "100000"
    window = "monthly"
    thresholds = [{ at = "1", level = "warning" }]
"#;

/// Four days of a few events an hour, some of them credits, late, or far too dear.
fn days(dice: &mut Dice) -> Vec<Event> {
    let mut events = Vec::new();
    for hour in 0..96 {
        for _ in 0..dice.below(3) {
            let minutes = hour * 60 + dice.below(60) as i64;
            let late = if dice.below(12) == 0 { dice.below(400) as i64 } else { 0 };
            let dollars = match dice.below(40) {
                0 => 40,
                1 => 100,
                2..4 => -1,
                _ => 1 + dice.below(3) as i64,
            };
            let user = ["ada", "bob", "eve"][dice.below(3) as usize];
            events.push(Event { when: at(START).plus((minutes - late) * MINUTE_US), user, cost: Money::from_whole(dollars) });
        }
    }
    events
}

/// The spend of every hour of the total that came on time, without and with what lowers it.
fn on_time(inputs: &[Vec<Event>]) -> BTreeMap<i64, (Money, Money)> {
    let mut hours: BTreeMap<i64, (Money, Money)> = BTreeMap::new();
    for input in inputs {
        let mut newest = Timestamp::MIN;
        for event in input {
            let closed_before = Bucket::of(newest.plus(-MINUTE_US)).start();
            newest = newest.max(event.when);
            if Bucket::of(event.when).start() >= closed_before {
                let hour = hours.entry(event.when.micros().div_euclid(HOUR_US)).or_default();
                let debit = if event.cost.is_negative() { Money::ZERO } else { event.cost };
                *hour = (hour.0.checked_add(debit).unwrap(), hour.1.checked_add(event.cost).unwrap());
            }
        }
    }
    hours
}

/// The rules about an hour of the total, one hour after the other.
fn definition(inputs: &[Vec<Event>]) -> BTreeSet<(String, i64, AlertState)> {
    let hours = on_time(inputs);
    let (first, last) = (*hours.keys().next().unwrap(), *hours.keys().last().unwrap());
    let mut told = BTreeSet::new();
    let mut nets: Vec<i128> = Vec::new();
    let mut open: BTreeMap<&str, (i64, bool, u8)> = BTreeMap::new();
    for hour in first..last + 24 * 30 {
        let (debits, net) = hours.get(&hour).copied().unwrap_or_default();
        let week = &nets[nets.len().saturating_sub(168)..];
        let mean = week.iter().sum::<i128>().checked_div(week.len() as i128).filter(|mean| week.len() >= 24 && *mean > 0);
        let cent = 10_i128.pow(16);
        for (rule, limit) in
            [("hourly-mean", mean.map(|mean| (3 * mean).max(mean + cent))), ("hour-above", (!nets.is_empty()).then_some(4500 * cent))]
        {
            if limit.is_some_and(|limit| debits.units() >= limit) {
                let episode = open.entry(rule).or_insert_with(|| {
                    told.insert((rule.to_owned(), hour, AlertState::Fired));
                    (hour, false, 0)
                });
                episode.2 = 0;
                if debits.units() >= 2 * limit.unwrap() && !episode.1 {
                    episode.1 = true;
                    told.insert((rule.to_owned(), episode.0, AlertState::Escalated));
                }
            } else if let Some(episode) = open.get_mut(rule) {
                episode.2 += 1;
                if episode.2 == 3 {
                    told.insert((rule.to_owned(), episode.0, AlertState::Resolved));
                    open.remove(rule);
                }
            }
        }
        nets.push(net.units());
    }
    told
}

fn of_hours(alerts: &[Alert]) -> BTreeSet<(String, i64, AlertState)> {
    let of_total = alerts.iter().filter(|alert| alert.scope == "total" && ["hourly-mean", "hour-above"].contains(&alert.rule.as_str()));
    of_total.map(|alert| (alert.rule.clone(), alert.period_start.micros() / HOUR_US, alert.state)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_told_is_that_of_the_definition_and_of_a_quiet_run(seed: u64) {
        let dice = &mut Dice(seed);
        let inputs: Vec<Vec<Event>> = (0..1 + dice.below(3)).map(|_| days(dice)).collect();
        prop_assume!(inputs.iter().all(|input| !input.is_empty()));
        let quiet = fold(&watching(), &log(inputs.clone(), false, HOUR_US, dice), dice, false);
        let troubled = fold(&watching(), &log(inputs.clone(), true, HOUR_US, dice), dice, false);
        prop_assert_eq!(of_hours(&quiet.alerts), definition(&inputs));
        let texts = |told: BTreeSet<(String, Level, AlertState)>| told;
        prop_assert_eq!(texts(troubled.told()), texts(quiet.told()));
        prop_assert_eq!(troubled.alerts.len(), troubled.alert_ids().len(), "each once");
        prop_assert_eq!(differences(&troubled.rhythm, &quiet.rhythm), Vec::<String>::new());
    }

    #[test]
    fn a_restart_after_every_record_changes_nothing_of_it(seed: u64) {
        let dice = &mut Dice(seed);
        let inputs: Vec<Vec<Event>> = (0..1 + dice.below(2)).map(|_| days(dice).into_iter().take(60).collect()).collect();
        let log = log(inputs, true, HOUR_US, dice);
        let restarted = fold(&watching(), &log, &mut dice.clone(), true);
        let steady = fold(&watching(), &log, &mut dice.clone(), false);
        prop_assert!(restarted.log == steady.log);
    }
}

/// A monitor that has seen `hours` hours of a dollar each, from `T0` on.
fn a_dollar_an_hour(rules: MonitorRules, hours: u32) -> Bench {
    let mut bench = Bench::new(rules);
    for hour in 0..hours {
        let start = hour_at(hour);
        bench.send(&Head::last(i64::from(hour) + 1).closing(start.start()), &[hour_of_total(hour, "1")]);
    }
    bench
}

fn hour_at(hour: u32) -> Bucket {
    Bucket::of(at("2026-11-20T00:00:00Z")).plus(4 * hour)
}

fn hour_of_total(hour: u32, cost: &str) -> Cell {
    total(hour_at(hour), i64::from(hour) + 1, spent(money(cost), hour_at(hour).start().plus(7 * MINUTE_US)))
}

#[test]
fn a_limit_is_told_in_the_running_hour_and_resolved_after_three_quiet_ones() {
    let mut bench = a_dollar_an_hour(watching_plainly(), 30);
    assert_eq!(bench.tables.states(), Vec::<String>::new());
    bench.send(&Head::last(31).closing(hour_at(30).start()), &[hour_of_total(30, "2.99")]);
    assert_eq!(bench.tables.states(), Vec::<String>::new());
    let more = Cell { version: 32, measures: spent(money("3"), hour_at(30).start().plus(9 * MINUTE_US)), ..hour_of_total(30, "3") };
    bench.send(&Head::last(32).closing(hour_at(30).start()), &[more]);
    let alert = bench.tables.alerts[0].clone();
    assert_eq!(
        (alert.rule.as_str(), alert.level, alert.occurred_at),
        ("hourly-mean", Level::Warning, hour_at(30).start().plus(9 * MINUTE_US))
    );
    assert_eq!(
        alert.explanation,
        "total has spent 3 USD in the hour from 2026-11-21T06:00Z. That is to be compared with 1 USD on the mean of the hours before: 3 times as much. The limit of 3 USD was reached."
    );
    bench.send(&Head::last(33).closing(hour_at(34).start()), &[]);
    assert_eq!(bench.tables.states(), ["total fired 3 3", "total resolved 3 0"]);
    assert_eq!(bench.tables.alerts[1].period_start, alert.period_start, "one life, one key");
}

#[test]
fn a_spike_is_told_by_the_hour_of_the_day_and_week_that_it_falls_in() {
    let watch =
        WatchRules { hourly_mean: None, hour_above: None, rhythm: false, day_over_day: None, weekly_mean: None, ..watching().watch };
    let mut bench = Bench::new(MonitorRules { watch, ..watching() });
    // Ten dollars by day, one by night; on the last day ten come at three in the morning.
    let spend = |hour: u32| if (8..20).contains(&(hour % 24)) || hour == 14 * 24 + 3 { "10" } else { "1" };
    for hour in 0..15 * 24 {
        bench.send(&Head::last(i64::from(hour) + 1).closing(hour_at(hour).start()), &[hour_of_total(hour, spend(hour))]);
    }
    let told: Vec<(&str, AlertState, Timestamp)> = bench
        .tables
        .alerts
        .iter()
        .skip_while(|alert| alert.period_start < hour_at(3 * 24).start())
        .map(|alert| (alert.rule.as_str(), alert.state, alert.period_start))
        .collect();
    let night = hour_at(14 * 24 + 3).start();
    assert_eq!(told.first(), Some(&("spike", AlertState::Fired, night)), "{told:?}");
    assert!(told.iter().all(|(_, _, period)| *period == night), "{told:?}");
    let alert = bench.tables.alerts.iter().find(|alert| alert.period_start == night).unwrap();
    assert!(alert.explanation.contains("that its hour of the day and week let expect"), "{}", alert.explanation);
}

#[test]
fn what_comes_late_is_in_no_judgement() {
    let mut bench = a_dollar_an_hour(watching_plainly(), 30);
    bench.send(&Head::last(31).closing(hour_at(30).start()), &[Cell { generation: 31, version: 31, ..hour_of_total(10, "100") }]);
    bench.send(&Head::last(32).closing(hour_at(31).start()), &[]);
    assert_eq!(bench.tables.states(), Vec::<String>::new());
}

#[test]
fn the_first_spend_on_a_model_is_told_once_the_stream_is_known() {
    let set = GroupingSet::new("model", &[Dimension::Provider, Dimension::Model]);
    let base = watching();
    let rules = MonitorRules { sets: [base.sets.clone(), vec![set]].concat(), ..base };
    let model =
        |hour: u32, name: &str| Cell { set: "model", values: vec!["openai".to_owned(), name.to_owned()], ..hour_of_total(hour, "2") };
    let mut bench = Bench::new(rules);
    for hour in 0..60 {
        let mut cells = vec![model(hour, "gpt-4")];
        cells.extend((hour == 40 || hour == 50).then(|| model(hour, "gpt-5")));
        cells.extend((hour == 5).then(|| model(hour, "gpt-3")));
        bench.send(&Head::last(i64::from(hour) + 1).closing(hour_at(hour).start()), &cells);
    }
    let told: Vec<&Alert> = bench.tables.alerts.iter().filter(|alert| alert.rule == "first-spend").collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].scope.as_str(), told[0].period_start), ("provider=openai,model=gpt-5", hour_at(40).start()));
    assert_eq!(told[0].level, Level::Info);
}

#[test]
fn over_the_limit_the_series_that_spend_most_are_watched_and_the_others_counted() {
    let base = watching();
    let rules = MonitorRules { watch: WatchRules { max_series: 2, ..base.watch.clone() }, ..base };
    let mut bench = Bench::new(rules.clone());
    for hour in 0..20 {
        let mut cells: Vec<Cell> = [("ada", "1"), ("bob", "2"), ("eve", "3")]
            .map(|(name, cost)| Cell { set: "user", values: vec![name.to_owned()], ..hour_of_total(hour, cost) })
            .into();
        cells.extend((hour == 10).then(|| Cell { set: "user", values: vec!["zoe".to_owned()], ..hour_of_total(hour, "500") }));
        bench.send(&Head::last(i64::from(hour) + 1).closing(hour_at(hour).start()), &cells);
    }
    let gauges = bench.monitor.gauges();
    assert_eq!((gauges.watched_series, gauges.unwatched_series), (2, 2));
    let rhythms: BTreeSet<&str> =
        bench.tables.rhythm.keys().filter(|(_, hour)| *hour == hour_at(18).start()).map(|(scope, _)| scope.as_str()).collect();
    assert_eq!(rhythms, BTreeSet::from(["user_id=eve", "user_id=zoe"]));
    let restored = Monitor::restore(&bench.monitor.snapshot().unwrap(), rules).unwrap();
    assert_eq!(restored.gauges().watched_series, 2);
}

#[test]
fn the_rhythm_of_a_scope_with_a_budget_is_told_when_it_changes() {
    let mut bench = a_dollar_an_hour(watching(), 7 * 24);
    let all: Vec<&String> = bench.tables.rhythm.values().collect();
    assert!(all.last().unwrap().contains("RESONANT"), "{all:?}");
    let mut dice = Dice(1);
    for hour in 7 * 24..14 * 24 {
        let cost = if dice.below(4) == 0 { (1 + dice.below(60)).to_string() } else { "0.01".to_owned() };
        bench.send(&Head::last(i64::from(hour) + 1).closing(hour_at(hour).start()), &[hour_of_total(hour, &cost)]);
    }
    let told: Vec<(AlertState, Level)> =
        bench.tables.alerts.iter().filter(|alert| alert.rule == "rhythm").map(|alert| (alert.state, alert.level)).collect();
    assert_eq!(told.last(), Some(&(AlertState::Escalated, Level::Critical)), "{told:?}");
    let last = bench.tables.alerts.iter().rfind(|alert| alert.rule == "rhythm").unwrap();
    assert!(last.explanation.starts_with("The spend of total is CHAOTIC: coherence 0."), "{}", last.explanation);
}

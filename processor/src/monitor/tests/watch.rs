//! What is watched is told the same way whatever interleavings, crashes and zombies do, and as a plain definition says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::alert::{Alert, AlertState, Level};
use schemas::notes::Notes;
use schemas::rates::Rates;
use schemas::timestamp::{HOUR_US, MINUTE_US};
use schemas::{Bucket, Dimension, GroupingSet, Money, Timestamp};

use super::super::{Monitor, MonitorRules, WatchRules};
use super::protocol::{Dice, Event, START, differences, fold, log};
use super::world::{Bench, Cell, Head, at, money, rules, spent, total};

/// Everything is watched, and told from a cent on.
fn watching() -> MonitorRules {
    let watch = WatchRules { except: Some(Vec::new()), min_amount: money("0.01"), hour_above: Some(money("45")), ..WatchRules::default() };
    let rates = Rates::parse_all(&[("rates", "[[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.92\"\nfrom = 2020-01-01T00:00:00Z\n")]).unwrap();
    MonitorRules { watch, rates, ..rules(BUDGET) }
}

/// Without the rule about what is rare.
fn watching_plainly() -> MonitorRules {
    let rules = watching();
    MonitorRules { watch: WatchRules { spike: false, drop: false, ..rules.watch.clone() }, ..rules }
}

const BUDGET: &str = r#"
    [[budget]]
    name = "all"
    limit = "100000"
    window = "monthly"
    thresholds = [{ at = "1", level = "warning" }]

    [[budget]]
    name = "tight"
    limit = "400"
    window = "monthly"
    thresholds = [{ at = "100", level = "warning" }]
    projected = [{ at = "0.8", level = "warning" }, { at = "3", level = "critical" }]

    [[budget]]
    name = "day"
    limit = "70"
    currency = "EUR"
    window = "daily"
    thresholds = [{ at = "100", level = "warning" }]
    projected = [{ at = "1", level = "info" }]
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

/// What budget `tight` and budget `day` have spent of what came, by the closed hour: late spend counts from the hour in which it came.
fn spent_by_hour(inputs: &[Vec<Event>]) -> BTreeMap<(&'static str, i64), Money> {
    let hour_of = |bucket: Bucket| i64::from(bucket.number() / 4);
    // The calendar's zone is UTC, and November ends within the events.
    let month_ends = i64::from(Bucket::of(at("2026-12-01T00:00:00Z")).number() / 4);
    let mut came: Vec<(Bucket, Bucket, Money)> = Vec::new();
    for input in inputs {
        let mut newest = Timestamp::MIN;
        for event in input {
            let closed_before = Bucket::of(newest.plus(-MINUTE_US)).start();
            newest = newest.max(event.when);
            came.push((Bucket::of(event.when.max(closed_before)), Bucket::of(event.when), event.cost));
        }
    }
    let on_time = came.iter().filter(|(entered, bucket, _)| entered == bucket).map(|(_, bucket, _)| hour_of(*bucket));
    let Some(first) = on_time.min() else { return BTreeMap::new() };
    let last = came.iter().map(|(entered, ..)| hour_of(*entered)).max().unwrap_or(first);
    let mut spent = BTreeMap::new();
    for hour in first..=last {
        let sum = |is_in: &dyn Fn(i64) -> bool, rate: Money| {
            let counted = came.iter().filter(|(entered, of, _)| (first..=hour).contains(&hour_of(*entered)) && is_in(hour_of(*of)));
            counted.map(|(.., cost)| cost.checked_mul_rate(rate).unwrap()).fold(Money::ZERO, |a, b| a.checked_add(b).unwrap())
        };
        let day = hour.div_euclid(24);
        spent.insert(("tight", hour), sum(&|of| (of < month_ends) == (hour < month_ends), Money::from_whole(1)));
        spent.insert(("day", hour), sum(&|of| of.div_euclid(24) == day, money("0.92")));
    }
    spent
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
        prop_assert!(!quiet.pace.is_empty());
        prop_assert_eq!(of_hours(&quiet.alerts), definition(&inputs));
        let texts = |told: BTreeSet<(String, Level, AlertState)>| told;
        prop_assert_eq!(texts(troubled.told()), texts(quiet.told()));
        prop_assert_eq!(troubled.alerts.len(), troubled.alert_ids().len(), "each once");
        prop_assert_eq!(differences(&troubled.rhythm, &quiet.rhythm), Vec::<String>::new());
        prop_assert_eq!(differences(&troubled.pace, &quiet.pace), Vec::<String>::new());
        prop_assert_eq!(differences(&troubled.anomalies, &quiet.anomalies), Vec::<String>::new());
        for ((budget, hour), spent) in spent_by_hour(&inputs) {
            let key = (budget.to_owned(), String::new(), Timestamp::from_micros(hour * HOUR_US));
            let row = quiet.pace.get(&key);
            let shown = format!("spent: {spent:?},");
            prop_assert!(row.is_none_or(|row| row.contains(&shown)), "{key:?} {shown} {row:?}");
        }
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
    // The closed hours of the episode, the three quiet ones among them.
    let shown: Vec<String> = bench
        .tables
        .anomalies
        .iter()
        .map(|((rule, scope, since, hour), row)| {
            let hours = hour.micros().saturating_sub(since.micros()) / HOUR_US;
            let amounts = &row[row.find("actual").unwrap()..row.find(", revision").unwrap()];
            format!("{rule} {scope} +{hours} {amounts}")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "hourly-mean total +0 actual: Money(3000000000000000000), expected: Money(1000000000000000000), is_over: false",
            "hourly-mean total +1 actual: Money(0), expected: Money(1064516129032258064), is_over: false",
            "hourly-mean total +2 actual: Money(0), expected: Money(1031250000000000000), is_over: false",
            "hourly-mean total +3 actual: Money(0), expected: Money(1000000000000000000), is_over: true",
        ]
    );
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
    assert!(alert.explanation.contains("It is rare by ") && alert.explanation.contains("season (once in "), "{}", alert.explanation);
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
fn an_episode_of_a_series_that_is_let_go_ends_with_the_watching() {
    let base = watching();
    let watch = WatchRules { max_series: 1, hour_above: Some(money("4")), ..base.watch.clone() };
    let mut bench = Bench::new(MonitorRules { watch, ..base });
    let hours = [(0, "ada", "1"), (1, "ada", "5"), (2, "ada", "1"), (2, "bob", "500")];
    let cells = hours.map(|(hour, name, cost)| Cell { set: "user", values: vec![name.to_owned()], ..hour_of_total(hour, cost) });
    bench.send(&Head::last(1).closing(hour_at(0).start()), &cells);
    // One record closes all of them.
    bench.send(&Head::last(2).closing(hour_at(3).start()), &[]);
    let of_ada: Vec<&Alert> = bench.tables.alerts.iter().filter(|alert| alert.scope == "user_id=ada").collect();
    assert_eq!(of_ada.iter().map(|alert| alert.state).collect::<Vec<_>>(), [AlertState::Fired, AlertState::Resolved]);
    assert!(of_ada[1].explanation.starts_with("user_id=ada is no longer watched"), "{}", of_ada[1].explanation);
    let rows: Vec<&String> =
        bench.tables.anomalies.iter().filter(|((_, scope, ..), _)| scope == "user_id=ada").map(|(_, row)| row).collect();
    assert_eq!(rows.iter().map(|row| row.contains("is_over: true")).collect::<Vec<_>>(), [false, true], "{rows:?}");
}

#[test]
fn the_rhythm_of_a_scope_with_a_budget_is_told_when_it_changes() {
    let budgets = watching().budgets.into_iter().take(1).collect();
    let mut bench = a_dollar_an_hour(MonitorRules { budgets, ..watching() }, 7 * 24);
    let all: Vec<&String> = bench.tables.rhythm.values().collect();
    assert!(all.last().unwrap().contains("RESONANT"), "{:?}", all.last());
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

/// A budget of the month, projected, from the first of November on.
fn projecting(limit: &str, more: &str) -> MonitorRules {
    let watch = WatchRules { spike: false, hourly_mean: None, day_over_day: None, weekly_mean: None, hour_above: None, ..watching().watch };
    let budget = format!(
        "[[budget]]\nname = \"month\"\nlimit = \"{limit}\"\nwindow = \"monthly\"\nthresholds = [{{ at = \"100\", level = \"warning\" }}]\n{more}"
    );
    MonitorRules { watch, ..rules(&budget) }
}

/// Sends hours of November and December, by their number since the first of November.
fn send_hours(bench: &mut Bench, hours: std::ops::Range<u32>, cost: impl Fn(u32) -> String) {
    let first = Bucket::of(at("2026-11-01T00:00:00Z"));
    for hour in hours {
        let bucket = first.plus(4 * hour);
        let cell = total(bucket, i64::from(hour) + 1, spent(money(&cost(hour)), bucket.start().plus(7 * MINUTE_US)));
        bench.send(&Head::last(i64::from(hour) + 1).closing(bucket.plus(4).start()), &[cell]);
    }
}

fn told(bench: &Bench, rule: &str) -> Vec<String> {
    let of_rule = bench.tables.alerts.iter().filter(|alert| alert.rule == rule);
    of_rule.map(|alert| format!("{} {} {} {}", alert.period, alert.state, alert.level, alert.threshold)).collect()
}

#[test]
fn a_projection_above_its_thresholds_is_told_with_the_action_and_again_in_the_next_period() {
    // 720 dollars are coming in November, steadily, and as much in December.
    let rules = projecting(
        "600",
        "projected = [{ at = \"1\", level = \"warning\" }, { at = \"1.15\", level = \"critical\" }, { at = \"2\", level = \"emergency\" }]",
    );
    let mut bench = Bench::new(rules);
    send_hours(&mut bench, 0..21 * 24, |_| "1".to_owned());
    assert_eq!(told(&bench, "month:projected"), ["2026-11 fired warning 600", "2026-11 escalated critical 690"]);
    assert_eq!(told(&bench, "month:action"), ["2026-11 fired warning 600"], "it is not chaotic: SCALE_DOWN");
    let alert = bench.tables.alerts.iter().find(|alert| alert.rule == "month:action").unwrap();
    assert!(alert.explanation.contains("is projected to end 2026-11 at 720 USD, 120 % of its limit of 600 USD"), "{}", alert.explanation);
    assert!(alert.explanation.contains("The limit will be reached at about 2026-11-25 23:00 UTC."), "{}", alert.explanation);
    assert!(alert.explanation.contains("Recommended action: SCALE_DOWN (confidence 1"), "{}", alert.explanation);
    assert_eq!(alert.projection, Some(money("720")));
    assert_eq!(alert.recommendation, "SCALE_DOWN: spend less, with fewer instances or a smaller model. Needs approval.");
    let last = bench.tables.pace.values().last().unwrap();
    assert!(last.contains("spent: Money(504000000000000000000), forecast: Money(720000000000000000000)"), "{last}");
    assert!(last.contains("action: \"SCALE_DOWN\""), "{last}");

    send_hours(&mut bench, 21 * 24..33 * 24, |hour| if hour < 30 * 24 { "1" } else { "0.1" }.to_owned());
    let projected = told(&bench, "month:projected");
    assert_eq!(projected[2], "2026-11 period_reset info 600", "{projected:?}");
    // December begins at the old pace, and is soon expected to cost a tenth.
    assert_eq!(
        &projected[3..],
        ["2026-12 fired warning 600", "2026-12 escalated critical 690", "2026-12 resolved critical 690", "2026-12 resolved warning 600"]
    );
    assert_eq!(
        told(&bench, "month:action")[1..],
        ["2026-11 period_reset info 600", "2026-12 fired warning 600", "2026-12 resolved warning 600"]
    );
}

#[test]
fn chaos_far_above_the_budget_is_an_emergency_stop() {
    let mut bench = Bench::new(projecting("300", ""));
    let wild = |hour: u32| {
        let mut dice = Dice(hour.into());
        if dice.below(4) == 0 { (1 + dice.below(60)).to_string() } else { "0.01".to_owned() }
    };
    send_hours(&mut bench, 0..10 * 24, |_| "1".to_owned());
    send_hours(&mut bench, 10 * 24..20 * 24, wild);
    let actions = told(&bench, "month:action");
    assert_eq!(actions.last().unwrap(), "2026-11 escalated emergency 360", "{actions:?}");
    let last = bench.tables.pace.values().last().unwrap();
    assert!(last.contains("action: \"EMERGENCY_STOP\"") && last.contains("state: \"CHAOTIC\""), "{last}");
}

#[test]
fn a_period_that_was_not_watched_from_its_beginning_is_not_projected() {
    let mut bench = Bench::new(projecting("600", ""));
    send_hours(&mut bench, 0..10 * 24, |_| "1".to_owned());
    let mut without = projecting("600", "");
    without.budgets.clear();
    // A budget that is new to a state begins with its next period.
    let state = Monitor::restore(&bench.monitor.snapshot().unwrap(), without).unwrap().snapshot().unwrap();
    bench.monitor = Monitor::restore(&state, projecting("600", "")).unwrap();
    bench.tables.pace.clear();
    send_hours(&mut bench, 10 * 24..32 * 24, |_| "1".to_owned());
    let months: BTreeSet<&str> =
        bench.tables.pace.values().map(|row| if row.contains("2026-12") { "december" } else { "november" }).collect();
    assert_eq!(months, BTreeSet::from(["december"]));
}

#[test]
fn the_gate_score_is_shown_with_what_it_is_made_of() {
    let mut bench = Bench::new(projecting("600", ""));
    let bucket = Bucket::of(at("2026-11-01T00:00:00Z"));
    let mut measures = spent(money("2"), bucket.start().plus(MINUTE_US));
    (measures.calls, measures.errors, measures.revenue) = (10, 1, money("3"));
    bench.send(&Head::last(1).closing(bucket.plus(4).start()), &[total(bucket, 1, measures)]);
    let row = bench.tables.pace.values().next().unwrap();
    assert!(row.contains("roi: Some(0.5), slo: Some(0.9), age_days: Some(0.041"), "{row}");
    // 30 x 75 of 100 points, 40 x 0 and 30 x 0.15.
    assert!(row.contains("gate_score: Some(22.5"), "{row}");
}

/// Only what is rare is told.
fn spikes_and_drops(feedback: &str) -> MonitorRules {
    let base = projecting("100000", "");
    let feedback = Notes::parse_all(&[("notes", feedback)]).unwrap().feedback;
    let watch = WatchRules { spike: true, drop: true, min_amount: money("5"), rhythm: false, feedback, ..base.watch };
    MonitorRules { watch, ..base }
}

#[test]
fn a_drop_of_a_closed_hour_is_a_notice_once_and_small_ones_are_none() {
    let mut bench = Bench::new(spikes_and_drops(""));
    send_hours(&mut bench, 0..10 * 24, |hour| (20 + hour % 2).to_string());
    assert_eq!(told(&bench, "drop"), Vec::<String>::new());
    let start = |hour: u32| Bucket::of(at("2026-11-01T00:00:00Z")).plus(4 * hour).start();
    // Hours are not judged before they are closed, nor those in which nothing came of anything.
    let little = |hour: u32| total(Bucket::of(start(hour)), 300, spent(money("0.5"), start(hour)));
    bench.send(&Head::last(300).closing(start(240)), &[little(240), little(241)]);
    assert_eq!(told(&bench, "drop"), Vec::<String>::new());
    bench.send(&Head::last(301).closing(start(244)), &[]);
    assert_eq!(told(&bench, "drop"), ["2026-11-11T01:00Z fired info 0"]);
    let alert = bench.tables.alerts.last().unwrap();
    assert!(alert.explanation.starts_with("total has spent 0.5 USD in the hour from 2026-11-11T01:00Z, where "), "{}", alert.explanation);

    let mut silent = Bench::new(spikes_and_drops(""));
    send_hours(&mut silent, 0..10 * 24, |hour| (20 + hour % 2).to_string());
    silent.send(&Head::last(301).closing(start(244)), &[]);
    assert_eq!(told(&silent, "drop"), Vec::<String>::new(), "no events at all: they are missing, not the spend");

    let mut cheap = Bench::new(spikes_and_drops(""));
    send_hours(&mut cheap, 0..10 * 24, |_| "2".to_owned());
    cheap.send(&Head::last(300).closing(start(240)), &[total(Bucket::of(start(240)), 300, spent(money("0.1"), start(240)))]);
    cheap.send(&Head::last(301).closing(start(241)), &[]);
    assert_eq!(told(&cheap, "drop"), Vec::<String>::new(), "less than watch.min_amount");
}

#[test]
fn a_runaway_that_goes_on_is_not_over_and_a_new_level_is_when_it_is_usual() {
    let start = Bucket::of(at("2026-11-01T00:00:00Z")).plus(4 * 240).start();
    let resolved_at = |bench: &Bench| {
        let of_spike = bench.tables.alerts.iter().filter(|alert| alert.rule == "spike");
        let lives: Vec<(AlertState, Timestamp)> = of_spike.map(|alert| (alert.state, alert.occurred_at)).collect();
        let resolved = lives.iter().find(|(state, _)| *state == AlertState::Resolved).map(|(_, at)| *at);
        (lives[0].0, resolved.map(|at| at.micros().saturating_sub(start.micros()) / HOUR_US))
    };
    let mut runaway = Bench::new(spikes_and_drops(""));
    send_hours(&mut runaway, 0..260, |hour| if (240..247).contains(&hour) { "400" } else { "20" }.to_owned());
    assert_eq!(resolved_at(&runaway), (AlertState::Fired, Some(10)), "seven hours of it, three quiet ones");
    let mut level = Bench::new(spikes_and_drops(""));
    send_hours(&mut level, 0..900, |hour| if hour >= 240 { "400" } else { "20" }.to_owned());
    let (fired, after) = resolved_at(&level);
    assert_eq!(fired, AlertState::Fired);
    assert!(after.is_some_and(|hours| (24..=30).contains(&hours)), "{after:?}");
}

#[test]
fn planned_spend_is_not_told_and_teaches_nothing() {
    let hundreds = |hour: u32| if (240..264).contains(&hour) || hour == 300 { "400" } else { "20" }.to_owned();
    let mut without = Bench::new(spikes_and_drops(""));
    send_hours(&mut without, 0..310, hundreds);
    assert_eq!(told(&without, "spike")[0].split(' ').next(), Some("2026-11-11T00:00Z"));
    let planned = "[[feedback]]\nscope = \"total\"\nkind = \"planned\"\nfrom = 2026-11-11T00:00:00Z\nuntil = 2026-11-12T00:00:00Z\nreason = \"load test\"\n";
    let mut bench = Bench::new(spikes_and_drops(planned));
    send_hours(&mut bench, 0..310, hundreds);
    let spikes = told(&bench, "spike");
    assert_eq!(spikes[0].split(' ').next(), Some("2026-11-13T12:00Z"), "the same again, unplanned: {spikes:?}");
    assert_eq!(told(&bench, "drop"), Vec::<String>::new(), "its end is no drop");
    // Only for the scope that is named.
    let mut other = Bench::new(spikes_and_drops(&planned.replace("total", "team=core")));
    send_hours(&mut other, 0..310, hundreds);
    assert_eq!(other.tables.alerts, without.tables.alerts);
}

#[test]
fn a_new_normal_ends_the_episode_and_is_learnt_at_once() {
    let step = |hour: u32| if hour >= 240 { "400" } else { "20" }.to_owned();
    let mut bench = Bench::new(spikes_and_drops(""));
    send_hours(&mut bench, 0..242, step);
    assert!(told(&bench, "spike")[0].starts_with("2026-11-11T00:00Z fired"));
    // The configuration is changed afterwards, and names the hour in which it began.
    let expected = "[[feedback]]\nscope = \"total\"\nkind = \"expected\"\nfrom = 2026-11-11T00:00:00Z\nreason = \"new product\"\n";
    bench.monitor = Monitor::restore(&bench.monitor.snapshot().unwrap(), spikes_and_drops(expected)).unwrap();
    let before = bench.tables.alerts.len();
    send_hours(&mut bench, 242..400, step);
    let after: Vec<&Alert> =
        bench.tables.alerts[before..].iter().filter(|alert| ["spike", "drop"].contains(&alert.rule.as_str())).collect();
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!((after[0].state, after[0].period.as_str()), (AlertState::Resolved, "2026-11-11T00:00Z"));
    assert!(after[0].explanation.contains("a new normal has begun for total"), "{}", after[0].explanation);
    let of_spike: Vec<&String> = bench.tables.anomalies.iter().filter(|((rule, ..), _)| rule == "spike").map(|(_, row)| row).collect();
    assert!(of_spike.len() >= 2 && of_spike.last().unwrap().contains("is_over: true"), "{of_spike:?}");
    // It is done once: another start does not forget again.
    let state = bench.monitor.snapshot().unwrap();
    bench.monitor = Monitor::restore(&state, spikes_and_drops(expected)).unwrap();
    send_hours(&mut bench, 400..402, |hour| if hour == 401 { "4000" } else { "400" }.to_owned());
    assert!(told(&bench, "spike").last().unwrap().starts_with("2026-11-17T17:00Z"), "{:?}", told(&bench, "spike"));
}

//! Budgets: thresholds, periods, currencies, templates, credits.

use std::collections::BTreeSet;

use schemas::alert::{AlertState, Level};
use schemas::calendar::Calendar;
use schemas::rates::Rates;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};
use schemas::{Bucket, Money, Timestamp};

use super::super::MonitorRules;
use super::world::{Bench, Cell, Head, at, money, rules, spent, total, user};

const T: &str = "2026-11-22T10:05:00Z";
const DAILY: &str = r#"
    [[budget]]
    name = "llm-daily"
    limit = "100"
    window = "daily"
    thresholds = [{ at = "0.80", level = "warning" }, { at = "0.95", level = "critical" }, { at = "1", level = "emergency" }]
"#;

fn bucket() -> Bucket {
    Bucket::of(at(T))
}

fn total_of(version: i64, cost: &str) -> Cell {
    total(bucket(), version, spent(money(cost), at(T)))
}

fn daily() -> Bench {
    Bench::new(rules(DAILY))
}

#[test]
fn a_threshold_is_reached_exactly_at_its_amount() {
    let mut bench = daily();
    bench.send(&Head::last(1), &[total_of(1, "79.999999999999999999")]);
    assert!(bench.tables.alerts.is_empty(), "10^-18 below");
    bench.send(&Head::last(2), &[total_of(2, "80")]);
    assert_eq!(bench.tables.states(), ["total fired 80 80"]);
    let alert = &bench.tables.alerts[0];
    assert_eq!((alert.previous, alert.occurred_at, alert.period.as_str()), (money("79.999999999999999999"), at(T), "2026-11-22"));
    let text = &alert.explanation;
    assert!(text.starts_with("Budget llm-daily has spent 80 USD of its 100 USD for 2026-11-22: 80 % of the limit."), "{text}");
    assert!(text.contains("threshold of 80 % (80 USD)") && text.ends_with("the period ends at 192 USD."), "{text}");
}

#[test]
fn every_threshold_fires_once_and_the_later_ones_escalate() {
    let mut bench = daily();
    for (version, cost) in [(1, "80"), (2, "81"), (3, "94.99"), (4, "96"), (5, "99"), (6, "100"), (7, "250")] {
        bench.send(&Head::last(version), &[total_of(version, cost)]);
    }
    assert_eq!(bench.tables.states(), ["total fired 80 80", "total escalated 95 96", "total escalated 100 100"]);
    let (revision, sum, _, level, period) = bench.tables.budgets.values().next().unwrap();
    assert_eq!((*revision, *sum, level.as_str(), period.as_str()), (7, money("250"), "emergency", "2026-11-22"));
}

#[test]
fn a_jump_over_all_thresholds_fires_them_all_the_lowest_first() {
    let mut bench = daily();
    bench.send(&Head::last(1), &[total_of(1, "1000")]);
    assert_eq!(bench.tables.states(), ["total fired 80 1000", "total escalated 95 1000", "total escalated 100 1000"]);
}

#[test]
fn the_end_of_a_period_is_told_once_and_the_next_starts_from_zero() {
    let mut bench = daily();
    let tomorrow = Timestamp::parse(T).unwrap().plus(DAY_US);
    bench.send(&Head::last(1), &[total_of(1, "85")]);
    bench.send(&Head::last(2), &[total(Bucket::of(tomorrow), 2, spent(money("79"), tomorrow))]);
    bench.send(&Head::last(3).closing(at("2026-11-23T00:00:00Z")), &[]);
    bench.send(&Head::last(4).closing(at("2026-11-23T10:00:00Z")), &[]);
    assert_eq!(bench.tables.states(), ["total fired 80 85", "total period_reset 80 0"]);
    let reset = &bench.tables.alerts[1];
    assert_eq!((reset.previous, reset.occurred_at), (money("85"), at("2026-11-23T00:00:00Z")));
    bench.send(&Head::last(5), &[total(Bucket::of(tomorrow), 5, spent(money("80"), tomorrow))]);
    assert_eq!(bench.tables.states()[2..], ["total fired 80 80"]);
}

#[test]
fn a_period_in_which_nothing_fired_ends_in_silence() {
    let mut bench = daily();
    bench.send(&Head::last(1), &[total_of(1, "79")]);
    bench.send(&Head::last(2).closing(at("2026-11-23T00:00:00Z")), &[]);
    assert!(bench.tables.alerts.is_empty());
    assert_eq!(bench.tables.budgets.values().next().unwrap().2, Some(money("79")), "all of it, in the end");
}

#[test]
fn a_threshold_reached_by_late_data_fires_and_the_end_of_its_period_is_told_after_it() {
    let mut bench = daily();
    bench.send(&Head::last(1).closing(at("2026-11-23T00:15:00Z")), &[total_of(1, "79")]);
    bench.send(&Head::last(2), &[total_of(2, "96")]);
    assert_eq!(bench.tables.states(), ["total fired 80 96", "total escalated 95 96", "total period_reset 80 0"]);
    bench.send(&Head::last(3), &[total_of(3, "100")]);
    assert_eq!(bench.tables.states()[3..], ["total escalated 100 100"]);
}

#[test]
fn what_is_later_than_the_retention_is_in_the_rollups_and_in_no_budget() {
    let mut bench = daily();
    bench.send(&Head::last(1).closing(at("2026-11-23T01:00:00Z")), &[total_of(1, "79")]);
    assert_eq!(bench.monitor.gauges().budget_states, 0);
    bench.send(&Head::last(2), &[total_of(2, "500")]);
    assert!(bench.tables.alerts.is_empty());
    assert_eq!((bench.tables.cost("day"), bench.monitor.gauges().late_budget_changes), (money("500"), 1));
}

const KRW: &str = r#"
    [[budget]]
    name = "saas-monthly"
    limit = "500000"
    currency = "KRW"
    window = "monthly"
    thresholds = [{ at = "1", level = "critical" }]
"#;

fn won(text: &str) -> MonitorRules {
    MonitorRules { rates: Rates::parse_all(&[("rates.toml", text)]).unwrap(), ..rules(KRW) }
}

#[test]
fn a_budget_in_another_currency_goes_by_the_rate_in_force_when_it_was_spent() {
    let mut bench = Bench::new(won(
        "[[rate]]\ncurrency=\"KRW\"\nper_usd=\"1000\"\nfrom=2026-01-01T00:00:00Z\n[[rate]]\ncurrency=\"KRW\"\nper_usd=\"2000\"\nfrom=2026-11-15T00:00:00Z",
    ));
    let (before, after) = (at("2026-11-14T23:50:00Z"), at("2026-11-15T00:00:00Z"));
    bench.send(&Head::last(1), &[total(Bucket::of(before), 1, spent(money("300"), before))]);
    bench.send(&Head::last(2), &[total(Bucket::of(after), 2, spent(money("99.999999999999999999"), after))]);
    let row = |bench: &Bench| bench.tables.budgets.values().next().unwrap().1;
    assert_eq!(row(&bench), money("499999.999999999999998"));
    assert!(bench.tables.alerts.is_empty());
    bench.send(&Head::last(3), &[total(Bucket::of(after), 3, spent(money("100"), after))]);
    assert_eq!((row(&bench), bench.tables.states()), (money("500000"), vec!["total fired 500000 500000".to_owned()]));
    assert_eq!(bench.tables.alerts[0].currency.as_str(), "KRW");
}

#[test]
fn what_has_no_rate_is_not_judged_and_that_is_said_once() {
    let mut bench = Bench::new(won("[[rate]]\ncurrency=\"KRW\"\nper_usd=\"1000\"\nfrom=2026-11-15T00:00:00Z"));
    let before = at("2026-11-14T23:50:00Z");
    for version in 1..4 {
        bench.send(&Head::last(version), &[total(Bucket::of(before), version, spent(Money::from_whole(version * 1000), before))]);
    }
    assert_eq!(bench.tables.states(), ["total fired 0 0"]);
    bench.send(&Head::last(5), &[total(bucket(), 5, spent(money("500"), at(T)))]);
    assert_eq!(bench.tables.states()[1..], ["total fired 500000 500000"], "what is known is enough");
    assert!(bench.tables.alerts[0].explanation.contains("no exchange rate of KRW was in force"));
    assert_eq!(bench.monitor.gauges().unrated_budget_changes, 3);
}

const PER_USER: &str = r#"
    [[budget]]
    name = "user-daily"
    limit = "10"
    window = "daily"
    per = ["user_id"]
    thresholds = [{ at = "0.90", level = "warning" }, { at = "0.98", level = "critical" }]
"#;

#[test]
fn a_template_watches_each_value_for_itself() {
    let mut bench = Bench::new(rules(PER_USER));
    let cells = [
        user("ada", bucket(), 1, spent(money("9"), at(T))),
        user("bob", bucket(), 1, spent(money("8.999"), at(T))),
        user("__other__", bucket(), 1, spent(money("5000"), at(T))),
    ];
    bench.send(&Head::last(1), &cells);
    assert_eq!(bench.tables.states(), ["user_id=ada fired 9 9"]);
    bench.send(&Head::last(2), &[user("bob", bucket(), 2, spent(money("9.8"), at(T)))]);
    assert_eq!(bench.tables.states()[1..], ["user_id=bob fired 9 9.8", "user_id=bob escalated 9.8 9.8"]);
    let scopes: Vec<&str> = bench.tables.budgets.keys().map(|key| key.1.as_str()).collect();
    assert_eq!(scopes, ["user_id=ada", "user_id=bob"], "several values together are nobody's budget");
}

/// The sum that the only budget's row shows.
fn shown(bench: &Bench) -> Money {
    bench.tables.budgets.values().next().unwrap().1
}

/// A quarter hour of the tests' day, counted from that of `T`.
fn quarter(number: u32) -> Bucket {
    bucket().plus(number)
}

#[test]
fn a_credit_is_shown_at_once_and_judged_two_quarter_hours_later() {
    let spends = |cost: &str, quarter_hour: u32, version: i64| {
        let bucket = quarter(quarter_hour);
        total(bucket, version, spent(money(cost), bucket.start()))
    };
    for (quarter_hour, alerts) in [(0, 1), (1, 1), (2, 0)] {
        let mut bench = daily();
        let mut refunded = spent(money("20"), at(T));
        refunded.credit = money("-50");
        bench.send(&Head::last(1), &[total(bucket(), 1, refunded)]);
        assert_eq!((shown(&bench), bench.tables.cost("day")), (money("20"), money("20")));
        bench.send(&Head::last(2).closing(quarter(quarter_hour).start()), &[spends("11", quarter_hour.max(1), 2)]);
        assert_eq!(bench.tables.states().len(), usize::from(quarter_hour < 2), "70 and 11 are judged as 81 before the 50 count");
        assert_eq!(bench.tables.alerts.len(), alerts);
        assert_eq!(shown(&bench), money("31"));
    }
}

/// A day's total whose first quarter hour has spent and had credited so much so far.
struct Corrected {
    bench: Bench,
    spent: Money,
    credited: Money,
    version: i64,
    ids: BTreeSet<String>,
}

impl Corrected {
    fn new(budgets: &str) -> Self {
        Corrected { bench: Bench::new(rules(budgets)), spent: Money::ZERO, credited: Money::ZERO, version: 0, ids: BTreeSet::new() }
    }

    /// More of both, with everything before the quarter hour closed.
    fn send(&mut self, closed: u32, spent_more: &str, credited_more: &str) -> Vec<String> {
        self.version += 1;
        self.spent = self.spent.checked_add(money(spent_more)).unwrap();
        self.credited = self.credited.checked_sub(money(credited_more)).unwrap();
        let mut measures = spent(self.spent.checked_add(self.credited).unwrap(), at(T));
        (measures.credit, measures.events) = (self.credited, self.version as u64);
        self.bench.send(&Head::last(self.version).closing(quarter(closed).start()), &[total(bucket(), self.version, measures)]);
        let told = self.bench.tables.alerts.drain(..).map(|alert| {
            assert!(self.ids.insert(alert.id()), "every alert has an id of its own");
            format!("{} {} {}", alert.state, alert.threshold, alert.repeat)
        });
        told.collect()
    }

    /// Nothing more; everything before the quarter hour is closed.
    fn close(&mut self, closed: u32) -> Vec<String> {
        self.send(closed, "0", "0")
    }

    fn level(&self) -> &str {
        &self.bench.tables.budgets.values().next().unwrap().3
    }
}

const NONE: [&str; 0] = [];

#[test]
fn a_threshold_is_left_exactly_below_its_amount_when_its_quarter_hour_is_closed() {
    for (credit, left) in [("5", &NONE[..]), ("5.000000000000000001", &["resolved 80 0"][..])] {
        let mut day = Corrected::new(DAILY);
        assert_eq!(day.send(0, "85", "0"), ["fired 80 0"]);
        assert_eq!(day.send(0, "0", credit), NONE);
        assert_eq!(day.close(2), NONE, "the quarter hour at which the credit enters is open");
        assert_eq!(day.level(), "warning");
        assert_eq!(day.close(3), left);
        assert_eq!(day.level(), if left.is_empty() { "warning" } else { "" });
    }
}

#[test]
fn what_is_left_is_explained() {
    let mut day = Corrected::new(DAILY);
    day.send(0, "85", "80");
    day.version += 1;
    day.bench.send(&Head::last(day.version).closing(quarter(3).start()), &[]);
    let alert = day.bench.tables.alerts.pop().unwrap();
    assert_eq!((alert.state, alert.current, alert.previous), (AlertState::Resolved, money("5"), money("85")));
    assert_eq!((alert.level, alert.occurred_at), (Level::Warning, quarter(2).end()));
    assert!(alert.explanation.starts_with("After corrections Budget llm-daily has spent 5 USD of its 100 USD"), "{}", alert.explanation);
    assert!(alert.explanation.ends_with("below the threshold of 80 % (80 USD) again."), "{}", alert.explanation);
    assert_eq!(alert.recommendation, "Nothing has to be done.");
}

#[test]
fn each_threshold_is_left_by_itself_the_highest_first() {
    let mut day = Corrected::new(DAILY);
    assert_eq!(day.send(0, "100", "0"), ["fired 80 0", "escalated 95 0", "escalated 100 0"]);
    day.send(0, "0", "10");
    assert_eq!(day.close(3), ["resolved 100 0", "resolved 95 0"]);
    assert_eq!(day.level(), "warning");
    day.send(3, "0", "11");
    assert_eq!(day.close(6), ["resolved 80 0"]);
    assert_eq!(day.close(100), ["period_reset 80 0"], "something had fired in it");
}

#[test]
fn what_was_left_is_told_again_an_hour_later_and_its_id_is_another() {
    let mut day = Corrected::new(DAILY);
    day.send(0, "85", "0");
    day.send(0, "0", "10");
    assert_eq!(day.close(3), ["resolved 80 0"]);
    assert_eq!(day.send(3, "7", "0"), NONE, "reached again, in the same hour");
    assert_eq!(day.close(4), NONE);
    assert_eq!(day.close(5), ["fired 80 1"], "the quarter hour an hour later can be looked at, and nothing new is needed");
    day.send(7, "0", "3");
    assert_eq!(day.close(10), ["resolved 80 1"]);
    assert_eq!(day.send(20, "1", "0"), ["fired 80 2"]);
}

#[test]
fn an_escalation_passes_within_the_hour_and_takes_the_lower_ones_with_it() {
    let mut day = Corrected::new(DAILY);
    day.send(0, "85", "0");
    day.send(0, "0", "10");
    assert_eq!(day.close(3), ["resolved 80 0"]);
    assert_eq!(day.send(3, "20", "0"), ["fired 80 1", "escalated 95 0"]);
}

#[test]
fn what_is_told_before_its_quarter_hour_is_closed_is_not_left_by_the_one_before() {
    let mut bench = daily();
    let cost = |number: u32, version: i64, cost: &str| total(quarter(number), version, spent(money(cost), quarter(number).start()));
    bench.send(&Head::last(1), &[cost(0, 1, "1"), cost(1, 1, "80")]);
    assert_eq!(bench.tables.states(), ["total fired 80 81"]);
    bench.send(&Head::last(2).closing(quarter(1).start()), &[]);
    bench.send(&Head::last(3).closing(quarter(9).start()), &[]);
    assert_eq!(bench.tables.states().len(), 1);
}

#[test]
fn a_credit_that_enters_after_the_retention_leaves_nothing_however_far_is_closed_at_once() {
    let end = at("2026-11-23T00:00:00Z");
    // Counted 45 minutes after the day, it would enter an hour and a quarter after it: the retention is one hour.
    for (minutes, alerts) in [(15, 3), (45, 2)] {
        for steps in [1, 15] {
            let mut day = Corrected::new(DAILY);
            day.send(0, "85", "0");
            day.version += 1;
            day.bench.send(&Head::last(day.version).closing(end.plus(minutes * MINUTE_US)), &[]);
            let mut measures = spent(money("5"), at(T));
            (measures.credit, measures.events) = (money("-80"), 9);
            day.version += 1;
            let counted = Head::last(day.version).closing(end.plus(minutes * MINUTE_US));
            day.bench.send(&counted, &[total(bucket(), day.version, measures)]);
            for step in 1..=12 / steps {
                day.version += 1;
                let closed = end.plus((minutes + 15 * step * steps) * MINUTE_US);
                day.bench.send(&Head::last(day.version).closing(closed), &[]);
            }
            day.version += 1;
            day.bench.send(&Head::last(day.version).closing(end.plus(DAY_US)), &[]);
            let told = day.bench.tables.alerts.iter().filter(|alert| alert.state == AlertState::Resolved).count();
            assert_eq!(told, alerts - 2, "{minutes} {steps}");
        }
    }
}

#[test]
fn an_input_that_is_far_ahead_is_judged_when_the_slowest_has_followed() {
    let mut bench = daily();
    bench.send(&Head::last(1).of(0, 2), &[]);
    let ahead = |number: u32, version: i64| total(quarter(number), version, spent(money("80"), quarter(number).start()));
    bench.send(&Head::last(2).closing(quarter(2).start()).of(0, 2), &[ahead(2, 2)]);
    assert!(bench.tables.alerts.is_empty(), "nothing is known of the other input");
    bench.send(&Head::last(1).of(1, 2), &[]);
    assert!(bench.tables.alerts.is_empty(), "a credit of the other input may still count");
    bench.send(&Head::last(2).closing(quarter(1).start()).of(1, 2), &[]);
    assert_eq!(bench.tables.states(), ["total fired 80 80"]);
    assert_eq!(bench.tables.alerts[0].occurred_at, quarter(2).end());
}

#[test]
fn the_projection_is_a_straight_line_once_enough_has_passed() {
    let mut bench = daily();
    let projection = |bench: &Bench| bench.tables.budgets.values().next().and_then(|row| row.2);
    let mut send = |offset: i64, hour: i64, cost: Option<&str>| {
        let when = at("2026-11-22T00:00:00Z").plus(hour * HOUR_US);
        let cell = cost.map(|cost| total(Bucket::of(when), offset, spent(money(cost), when)));
        bench.send(&Head::last(offset).closing(when), cell.as_slice());
        projection(&bench)
    };
    send(1, 1, None);
    assert_eq!(send(2, 1, Some("10")), None, "an hour is less than 5 % of a day");
    send(3, 6, None);
    assert_eq!(send(4, 6, Some("15")), Some(money("100")));
    assert_eq!(send(5, 6, Some("70")), Some(money("320")));
    let text = &bench.tables.alerts[0].explanation;
    assert!(text.ends_with("If it goes on like this, the period ends at 320 USD."), "{text}");
}

#[test]
fn periods_are_named_by_the_business_zone() {
    let seoul = MonitorRules { calendar: Calendar::new("Asia/Seoul").unwrap(), ..rules(DAILY) };
    let mut bench = Bench::new(seoul);
    let late = at("2026-11-22T15:00:00Z");
    bench.send(&Head::last(1), &[total(Bucket::of(late), 1, spent(money("1"), late))]);
    let (key, row) = bench.tables.budgets.iter().next().unwrap();
    assert_eq!((key.2, row.4.as_str()), (late, "2026-11-23"));
}

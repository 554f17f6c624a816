//! Budgets: thresholds, periods, currencies, templates, credits.

use schemas::calendar::Calendar;
use schemas::rates::Rates;
use schemas::timestamp::DAY_US;
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
    assert!(text.contains("threshold of 80 % (80 USD)") && text.contains("too early"), "{text}");
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
    bench.send(&Head::last(4).closing(at("2026-11-23T00:15:00Z")), &[]);
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
fn a_budget_without_a_rate_is_not_judged_and_says_so_once() {
    let mut bench = Bench::new(won("[[rate]]\ncurrency=\"KRW\"\nper_usd=\"1000\"\nfrom=2026-11-15T00:00:00Z"));
    let before = at("2026-11-14T23:50:00Z");
    for version in 1..4 {
        bench.send(&Head::last(version), &[total(Bucket::of(before), version, spent(Money::from_whole(version * 1000), before))]);
    }
    bench.send(&Head::last(5), &[total(bucket(), 5, spent(money("9000"), at(T)))]);
    assert_eq!(bench.tables.states(), ["total fired 0 0"]);
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

#[test]
fn credits_count_when_their_bucket_is_closed() {
    let mut bench = daily();
    let sum = |bench: &Bench| bench.tables.budgets.values().next().unwrap().1;
    let mut measures = spent(money("30"), at(T));
    measures.credit = money("-50");
    bench.send(&Head::last(1), &[total(bucket(), 1, measures)]);
    assert_eq!((sum(&bench), bench.tables.states().len()), (money("80"), 1), "the 80 that were spent count at once");
    bench.send(&Head::last(2).closing(bucket().end()), &[]);
    assert_eq!(sum(&bench), money("30"));
    let revision = bench.tables.budgets.values().next().unwrap().0;
    assert_eq!(revision, 2, "of the record that closed the bucket");
    // Closed already: at once. And what has fired stays fired.
    measures.credit = money("-60");
    measures.cost = money("20");
    measures.events = 2;
    bench.send(&Head::last(3), &[total(bucket(), 3, measures)]);
    assert_eq!((sum(&bench), bench.tables.states().len()), (money("20"), 1));
    assert_eq!(bench.tables.cost("day"), money("20"), "rollups show it all the time");
}

#[test]
fn one_partition_alone_does_not_make_a_credit_count() {
    let mut bench = daily();
    let sum = |bench: &Bench| bench.tables.budgets.values().next().unwrap().1;
    let mut measures = spent(money("30"), at(T));
    measures.credit = money("-50");
    bench.send(&Head::last(1).closing(bucket().end()).of(0, 2), &[total(bucket(), 1, measures)]);
    bench.send(&Head::last(1).closing(bucket().start()).of(1, 2), &[]);
    assert_eq!(sum(&bench), money("80"));
    bench.send(&Head::last(2).closing(bucket().end()).of(1, 2), &[]);
    assert_eq!(sum(&bench), money("30"));
}

#[test]
fn the_projection_is_a_straight_line_once_enough_has_passed() {
    let mut bench = daily();
    let projection = |bench: &Bench| bench.tables.budgets.values().next().unwrap().2;
    bench.send(&Head::last(1).closing(at("2026-11-22T01:00:00Z")), &[]);
    bench.send(&Head::last(2), &[total_of(2, "10")]);
    assert_eq!(projection(&bench), None, "an hour is less than 5 % of a day");
    bench.send(&Head::last(3).closing(at("2026-11-22T06:00:00Z")), &[]);
    bench.send(&Head::last(4), &[total_of(4, "25")]);
    assert_eq!(projection(&bench), Some(money("100")));
    bench.send(&Head::last(5), &[total_of(5, "80")]);
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

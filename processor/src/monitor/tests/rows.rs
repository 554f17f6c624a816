//! Rows: what cells add to them, when they are final, and what comes late.

use schemas::timestamp::HOUR_US;
use schemas::{Bucket, GroupingSet, Money};

use super::super::{MonitorError, MonitorLimits};
use super::world::{Bench, Cell, Head, at, block, money, rules, spent, total, user};

const T: &str = "2026-11-22T10:05:00Z";

fn bucket() -> Bucket {
    Bucket::of(at(T))
}

#[test]
fn a_cell_is_in_the_rows_of_its_quarter_hour_hour_day_and_month() {
    let mut bench = Bench::new(rules(""));
    bench.send(&Head::last(1), &[total(bucket(), 1, spent(money("1.5"), at(T)))]);
    let starts: Vec<String> = bench.tables.rows.keys().map(|key| format!("{} {}", key.1, key.2)).collect();
    let expected = [
        "day 2026-11-22T00:00:00.000000Z",
        "hour 2026-11-22T10:00:00.000000Z",
        "month 2026-11-01T00:00:00.000000Z",
        "quarter_hour 2026-11-22T10:00:00.000000Z",
    ];
    assert_eq!(starts, expected);
    for (revision, is_final, measures) in bench.tables.rows.values() {
        assert_eq!((*revision, *is_final, measures.cost), (1, false, money("1.5")));
    }
}

#[test]
fn only_what_changed_is_written_again_and_with_the_revision_of_its_record() {
    let mut bench = Bench::new(rules(""));
    bench.send(&Head::last(1), &[user("a", bucket(), 1, spent(money("1"), at(T))), user("b", bucket(), 1, spent(money("1"), at(T)))]);
    bench.tables.log.clear();
    bench.send(&Head::last(2), &[user("a", bucket(), 2, spent(money("3"), at(T)))]);
    assert_eq!(bench.tables.log.len(), 4 + 1, "four rows and the accounts: {:#?}", bench.tables.log);
    bench.flush();
    assert_eq!(bench.tables.log.len(), 5);
    let costs: Vec<(Money, i64)> = bench.tables.rows.values().map(|row| (row.2.cost, row.0)).collect();
    assert!(costs.contains(&(money("3"), 2)) && costs.contains(&(money("1"), 1)));
}

#[test]
fn repeats_and_zombies_change_nothing() {
    let mut bench = Bench::new(rules(""));
    let first = [total(bucket(), 5, spent(money("5"), at(T)))];
    let second = [total(bucket(), 9, spent(money("9"), at(T)))];
    bench.send(&Head::last(9), &second);
    let before = bench.tables.rows.clone();
    bench.send(&Head::last(5), &first);
    bench.send(&Head::last(9), &second);
    // Above what is known, but below the version held.
    bench.send(&Head::open(12), &[total(bucket(), 12, spent(money("12"), at(T)))]);
    bench.send(&Head::open(11), &[total(bucket(), 11, spent(money("11"), at(T)))]);
    assert_eq!(bench.tables.cost("hour"), money("12"));
    assert_eq!(bench.monitor.gauges().repeated_cells, 3);
    assert_eq!(bench.tables.accounts[&0].1.next_offset, 9, "accounts never go back");
    assert_eq!(before.len(), 4);
}

#[test]
fn a_sealed_cell_is_forgotten_and_its_repeat_is_still_known() {
    let mut bench = Bench::new(rules(""));
    let cell = [total(bucket(), 5, spent(money("5"), at(T)))];
    bench.send(&Head { sealed: vec![(bucket(), 0)], ..Head::last(8) }, &cell);
    assert_eq!(bench.monitor.gauges().cells, 0);
    bench.send(&Head::open(8), &cell);
    bench.send(&Head::last(8), &cell);
    assert_eq!(bench.tables.cost("day"), money("5"));
    // A late event opens the bucket again, as another generation.
    bench.send(&Head::last(12), &[Cell { generation: 11, ..total(bucket(), 12, spent(money("1"), at(T))) }]);
    assert_eq!(bench.tables.cost("day"), money("6"));
}

#[test]
fn a_window_is_final_when_all_partitions_have_closed_it() {
    let mut bench = Bench::new(rules(""));
    let hour_end = at("2026-11-22T11:00:00Z");
    let is_final = |bench: &Bench| bench.tables.rows.iter().map(|(key, row)| (key.1, row.1)).collect::<Vec<_>>();
    let cell = total(bucket(), 1, spent(money("1"), at(T)));
    bench.send(&Head::last(1).closing(hour_end).of(0, 2), &[cell]);
    assert!(is_final(&bench).iter().all(|row| !row.1), "the other partition was never seen");
    bench.send(&Head::last(1).closing(at("2026-11-22T10:45:00Z")).of(1, 2), &[]);
    assert_eq!(is_final(&bench), [("day", false), ("hour", false), ("month", false), ("quarter_hour", true)]);
    bench.send(&Head::last(2).closing(hour_end).of(1, 2), &[]);
    assert_eq!(is_final(&bench), [("day", false), ("hour", true), ("month", false), ("quarter_hour", true)]);
    assert!(bench.tables.rows.values().any(|row| row.0 == 3), "written once more, with the closing record's revision");
}

#[test]
fn a_new_partition_does_not_open_what_was_closed() {
    let mut bench = Bench::new(rules(""));
    let hour_end = at("2026-11-22T11:00:00Z");
    bench.send(&Head::last(1).closing(hour_end), &[total(bucket(), 1, spent(money("1"), at(T)))]);
    bench.send(&Head::last(1).closing(at("2026-11-22T09:00:00Z")).of(1, 2), &[total(bucket(), 1, spent(money("2"), at(T)))]);
    let hour = bench.tables.rows.iter().find(|(key, _)| key.1 == "hour").unwrap().1;
    assert_eq!((hour.1, hour.2.cost), (true, money("3")));
}

#[test]
fn what_comes_after_a_row_has_left_the_memory_opens_a_row_of_a_new_generation() {
    let mut bench = Bench::new(rules(""));
    bench.send(&Head::last(1), &[total(bucket(), 1, spent(money("1"), at(T)))]);
    // Hour and quarter hour are closed for more than an hour.
    bench.send(&Head::last(2).closing(at("2026-11-22T12:00:00Z")), &[]);
    assert_eq!(bench.monitor.gauges().rows, 2, "day and month");
    bench.send(&Head::last(3), &[total(bucket(), 3, spent(money("4"), at(T)))]);
    let hours: Vec<(i64, Money, bool)> =
        bench.tables.rows.iter().filter(|(key, _)| key.1 == "hour").map(|(key, row)| (key.4, row.2.cost, row.1)).collect();
    assert_eq!(hours, [(0, money("1"), true), (2, money("3"), true)]);
    assert_eq!(bench.tables.cost("hour"), money("4"));
    assert_eq!(bench.tables.rows.iter().filter(|(key, _)| key.1 == "day").count(), 1);
}

#[test]
fn a_row_that_leaves_the_memory_before_it_is_written_is_written_by_the_next_flush() {
    let mut bench = Bench::new(rules(""));
    bench.take(&Head::last(1), &[total(bucket(), 1, spent(money("1"), at(T)))]);
    bench.take(&Head::last(2).closing(at("2026-11-22T12:00:00Z")), &[]);
    bench.take(&Head::last(3), &[total(bucket(), 3, spent(money("4"), at(T)))]);
    bench.flush();
    assert_eq!((bench.tables.cost("hour"), bench.tables.rows.len()), (money("4"), 6));
    assert_eq!(bench.monitor.gauges().rows, 4, "the first hour and quarter hour are gone");
}

#[test]
fn everything_that_refers_to_a_series_goes_and_so_does_the_series() {
    let mut bench = Bench::new(rules(""));
    bench.send(&Head::last(1), &[user("a", bucket(), 1, spent(money("1"), at(T)))]);
    assert_eq!(bench.monitor.gauges().series, 1);
    let sealed = vec![(bucket(), 0)];
    bench.send(&Head { sealed, ..Head::last(2) }.closing(at("2026-12-01T02:00:00Z")), &[]);
    let gauges = bench.monitor.gauges();
    assert_eq!((gauges.rows, gauges.cells, gauges.series), (0, 0, 0));
    bench.send(&Head::last(3), &[user("b", bucket(), 3, spent(money("1"), at(T)))]);
    assert_eq!(bench.tables.rows.keys().filter(|key| key.3 == ["b"]).count(), 4);
}

#[test]
fn cells_of_unknown_sets_are_counted_and_the_others_stay_right() {
    let mut bench = Bench::new(rules(""));
    let unknown = Cell { set: "planet", ..user("a", bucket(), 1, spent(money("1"), at(T))) };
    let other_key = Cell { set: "total", ..user("a", bucket(), 1, spent(money("1"), at(T))) };
    bench.send(&Head::last(1), &[unknown, other_key, total(bucket(), 1, spent(money("2"), at(T)))]);
    assert_eq!((bench.tables.cost("hour"), bench.monitor.gauges().unknown_set_cells), (money("2"), 2));
}

#[test]
fn rows_of_a_budgets_own_set_are_not_published() {
    let budget =
        "[[budget]]\nname=\"s3\"\nlimit=\"10\"\nwindow=\"daily\"\nfilter={service=\"S3\"}\nthresholds=[{at=\"1\",level=\"critical\"}]";
    let mut bench = Bench::new(rules(budget));
    bench.send(&Head::last(1), &[Cell { set: "budget:s3", ..total(bucket(), 1, spent(money("2"), at(T))) }]);
    assert_eq!((bench.tables.rows.len(), bench.tables.budgets.len()), (0, 1));
}

#[test]
fn an_unreadable_block_stops_the_monitor_and_says_what_to_do() {
    let mut bench = Bench::new(rules(""));
    let good = block(&Head::last(2), &[total(bucket(), 1, spent(money("1"), at(T))), user("a", bucket(), 1, spent(money("1"), at(T)))]);
    let message = bench.monitor.apply(0, &good[..good.len() - 20]).unwrap_err().to_string();
    assert!(message.contains("offset 0 of partition 0") && message.contains("would lose spend"), "{message}");
    bench.flush();
    assert!(bench.tables.log.is_empty(), "nothing of a half-taken record gets out");
    assert_eq!(bench.monitor.apply(1, &good), Err(MonitorError::Failed));
    assert!(bench.monitor.snapshot().is_err());
}

#[test]
fn a_cell_that_goes_down_stops_the_monitor() {
    let mut bench = Bench::new(rules(""));
    bench.take(&Head::last(1), &[total(bucket(), 1, spent(money("1"), at(T)))]);
    let emptied = total(bucket(), 2, schemas::Measures { events: 0, ..spent(money("1"), at(T)) });
    let message = bench.monitor.apply(1, &block(&Head::last(2), &[emptied])).unwrap_err().to_string();
    assert!(message.contains("usage-events partition 0 went down"), "{message}");
}

#[test]
fn a_record_given_twice_is_refused_without_harm() {
    let mut bench = Bench::new(rules(""));
    let bytes = block(&Head::last(1), &[total(bucket(), 1, spent(money("1"), at(T)))]);
    bench.monitor.apply(7, &bytes).unwrap();
    assert_eq!(bench.monitor.apply(7, &bytes), Err(MonitorError::OutOfOrder { expected: 8, found: 7 }));
    bench.monitor.apply(8, &bytes).unwrap();
}

#[test]
fn a_full_state_stops_the_monitor_and_names_the_key() {
    let mut rules = rules("");
    rules.limits = MonitorLimits { max_rows: 7, ..rules.limits };
    let mut bench = Bench::new(rules);
    bench.take(&Head::last(1), &[user("a", bucket(), 1, spent(money("1"), at(T)))]);
    let more = block(&Head::last(2), &[user("b", bucket(), 2, spent(money("1"), at(T)))]);
    let message = bench.monitor.apply(1, &more).unwrap_err().to_string();
    assert!(message.starts_with("the monitor holds 8 rows, its limit (limits.monitor_max_rows)"), "{message}");
}

#[test]
fn days_and_months_are_those_of_the_business_zone() {
    let mut rules = rules("");
    rules.calendar = schemas::calendar::Calendar::new("Asia/Seoul").unwrap();
    rules.sets = vec![GroupingSet::new("total", &[])];
    rules.retain_us = HOUR_US;
    let mut bench = Bench::new(rules);
    let late = at("2026-10-31T15:00:00Z");
    bench.send(&Head::last(1), &[total(Bucket::of(late), 1, spent(money("1"), late))]);
    let month = bench.tables.rows.keys().find(|key| key.1 == "month").unwrap();
    assert_eq!(month.2, late);
}

//! Snapshots: nothing is lost, and what other rules make of one.

use schemas::{Bucket, Dimension, GroupingSet};

use super::super::{Monitor, SNAPSHOT_VERSION, SnapshotError};
use super::world::{Bench, Cell, Head, at, money, rules, spent, total, user};

const T: &str = "2026-11-22T10:05:00Z";

fn budget(name: &str, limit: &str, more: &str) -> String {
    format!(
        "[[budget]]\nname=\"{name}\"\nlimit=\"{limit}\"\nwindow=\"daily\"\n{more}\nthresholds=[{{at=\"0.5\",level=\"warning\"}},{{at=\"1\",level=\"critical\"}}]\n"
    )
}

fn bucket() -> Bucket {
    Bucket::of(at(T))
}

/// Cells, rows, a fired budget, a waiting credit, and things not flushed yet.
fn busy(budgets: &str) -> Bench {
    let mut bench = Bench::new(rules(budgets));
    let mut measures = spent(money("60"), at(T));
    measures.credit = money("-1");
    bench.send(&Head::last(1), &[total(bucket(), 1, measures), user("ada", bucket(), 1, spent(money("60"), at(T)))]);
    bench.take(&Head::last(2).closing(at("2026-11-22T10:00:00Z")), &[user("bob", bucket(), 2, spent(money("7"), at(T)))]);
    bench
}

fn restored(bench: &Bench, budgets: &str) -> Bench {
    let monitor = Monitor::restore(&bench.monitor.snapshot().unwrap(), rules(budgets)).unwrap();
    Bench { monitor, tables: bench.tables.clone(), offset: bench.offset }
}

const V1: &str = include_str!("../golden/snapshot_v1.hex");
const V2: &str = include_str!("../golden/snapshot_v2.hex");
const V3: &str = include_str!("../golden/snapshot_v3.hex");
const V4: &str = include_str!("../golden/snapshot_v4.hex");
const V5: &str = include_str!("../golden/snapshot_v5.hex");
const V6: &str = include_str!("../golden/snapshot_v6.hex");

fn two_budgets() -> String {
    budget("all", "100", "") + &budget("each", "100", "per=[\"user_id\"]")
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let hex = hex.trim();
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// `busy`, a threshold of which was left; what was told of that is not flushed yet.
fn corrected() -> Bench {
    let mut bench = busy(&two_budgets());
    let mut measures = spent(money("10"), at(T));
    (measures.events, measures.credit) = (2, money("-51"));
    bench.take(&Head::last(3), &[total(bucket(), 3, measures)]);
    bench.take(&Head::last(4).closing(bucket().plus(3).start()), &[]);
    bench
}

#[test]
fn the_bytes_are_the_golden_ones() {
    let bench = corrected();
    let bytes = bench.monitor.snapshot().unwrap();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    if std::env::var_os("REGENERATE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/monitor/golden/snapshot_v6.hex"), format!("{hex}\n")).unwrap();
    }
    assert_eq!(hex, V6.trim(), "a change needs a new SNAPSHOT_VERSION");
    assert_eq!(SNAPSHOT_VERSION, 6);
    let mut again = restored(&bench, &two_budgets());
    assert_eq!(again.monitor.snapshot().unwrap(), bytes);
    again.flush();
    assert_eq!(again.tables.states().last().unwrap(), "total resolved 50 10");
}

#[test]
fn a_state_of_version_1_is_read_and_goes_on() {
    let monitor = Monitor::restore(&bytes_of(V1), rules(&two_budgets())).unwrap();
    let busy = busy(&two_budgets());
    assert_eq!(monitor.snapshot().unwrap(), busy.monitor.snapshot().unwrap());
    let mut bench = Bench { monitor, ..busy };
    let mut measures = spent(money("10"), at(T));
    (measures.events, measures.credit) = (2, money("-51"));
    bench.send(&Head::last(3), &[total(bucket(), 3, measures)]);
    bench.send(&Head::last(4).closing(bucket().plus(3).start()), &[]);
    assert_eq!(bench.tables.states().last().unwrap(), "total resolved 50 10");
}

#[test]
fn states_of_versions_2_to_5_are_read_as_ones_that_know_nothing_of_what_came_later() {
    for old in [V2, V3, V4, V5] {
        let monitor = Monitor::restore(&bytes_of(old), rules(&two_budgets())).unwrap();
        assert_eq!(monitor.snapshot().unwrap(), bytes_of(V6));
    }
}

#[test]
fn alerts_that_a_state_of_version_1_holds_are_sent() {
    let mut bench = busy(&two_budgets());
    let alert = bench.tables.alerts.remove(0);
    let mut bytes = bytes_of(V1);
    assert_eq!(bytes.pop(), Some(0), "it holds none");
    bytes.push(1);
    // Without `repeat`, its last field.
    let encoded = postcard::to_allocvec(&alert).unwrap();
    bytes.extend(&encoded[..encoded.len() - 1]);
    let mut monitor = Monitor::restore(&bytes, rules(&two_budgets())).unwrap();
    bench.tables.alerts.clear();
    monitor.flush(&mut bench.tables);
    assert_eq!(bench.tables.alerts, [alert]);
}

#[test]
fn other_bytes_are_refused() {
    let bytes = busy("").monitor.snapshot().unwrap();
    for length in 1..bytes.len() {
        assert!(matches!(Monitor::restore(&bytes[..length], rules("")), Err(SnapshotError::Malformed(_))), "{length} bytes");
    }
    let old = bytes_of(V1);
    for length in 1..old.len() {
        assert!(matches!(Monitor::restore(&old[..length], rules("")), Err(SnapshotError::Malformed(_))), "{length} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Monitor::restore(&longer, rules("")), Err(SnapshotError::Malformed(_))));
    let newer = Monitor::restore(&[9], rules("")).unwrap_err();
    assert_eq!(newer, SnapshotError::Version(9));
    assert_eq!(
        newer.to_string(),
        "monitor state has format version 9, this program reads versions 1 to 6: run the version that wrote it, or a newer one"
    );
}

/// Found by fuzzing: the row would have been written twice and counted down once too often.
#[test]
fn a_row_that_is_named_twice_is_refused() {
    let bytes = bytes_of(include_str!("found/row_dirty_twice.hex"));
    let refused = Monitor::restore(&bytes, rules(&budget("b", "1", "per=[\"user_id\"]"))).unwrap_err();
    assert!(refused.to_string().contains("named twice"), "{refused}");
}

/// Found by fuzzing: it closed hours beyond all time, and the state could not be restored.
#[test]
fn a_block_that_closes_what_is_beyond_all_events_is_refused() {
    let mut monitor = Monitor::new(rules(""), 0);
    assert!(monitor.apply(0, &bytes_of(include_str!("found/closed_beyond_time.hex"))).is_err());
}

#[test]
fn what_was_not_flushed_is_flushed_after_the_restart() {
    let bench = busy("");
    let mut again = restored(&bench, "");
    again.flush();
    let mut bench = bench;
    bench.flush();
    assert_eq!(again.tables, bench.tables);
    assert!(bench.tables.rows.keys().any(|key| key.3 == ["bob"]));
}

#[test]
fn a_new_budget_starts_from_what_its_rows_hold() {
    let mut bench = restored(&busy(""), &budget("each", "100", "per=[\"user_id\"]"));
    bench.flush();
    assert_eq!(bench.tables.budgets.len(), 2);
    bench.send(&Head::last(3), &[user("ada", bucket(), 3, spent(money("61"), at(T)))]);
    assert_eq!(bench.tables.states(), ["user_id=ada fired 50 61"]);
}

#[test]
fn a_budget_that_is_gone_is_forgotten_and_the_others_go_on() {
    let all = budget("all", "100", "");
    let before = busy(&(budget("each", "100", "per=[\"user_id\"]") + &all));
    let mut bench = restored(&before, &all);
    assert_eq!(bench.monitor.gauges().budget_states, 1);
    bench.tables.alerts.clear();
    let mut measures = spent(money("99"), at(T));
    (measures.events, measures.credit) = (2, money("-1"));
    bench.send(&Head::last(3), &[total(bucket(), 3, measures)]);
    assert_eq!(bench.tables.states(), ["total escalated 100 100"]);
}

#[test]
fn other_thresholds_apply_to_what_was_spent_and_equal_ones_do_not_fire_again() {
    let before = busy(&budget("all", "100", ""));
    let mut bench = restored(&before, &budget("all", "100", "").replace("\"1\"", "\"0.6\""));
    bench.tables.alerts.clear();
    let mut measures = spent(money("60"), at(T));
    (measures.events, measures.cost, measures.credit) = (2, money("60.5"), money("-1"));
    bench.send(&Head::last(3), &[total(bucket(), 3, measures)]);
    assert_eq!(bench.tables.states(), ["total escalated 60 61.5"]);
}

#[test]
fn a_new_threshold_below_the_others_fires_and_they_do_not_fire_again() {
    let all = budget("all", "100", "");
    let mut bench = restored(&busy(&all), &all.replace("thresholds=[", "thresholds=[{at=\"0.4\",level=\"info\"},"));
    bench.tables.alerts.clear();
    let mut measures = spent(money("60"), at(T));
    (measures.events, measures.credit) = (2, money("-1"));
    bench.send(&Head::last(3), &[total(bucket(), 3, measures)]);
    assert!(bench.tables.alerts.is_empty(), "nothing was spent");
    measures.cost = money("61");
    bench.send(&Head::last(4), &[total(bucket(), 4, measures)]);
    assert_eq!(bench.tables.states(), ["total fired 40 62"]);
}

#[test]
fn a_set_that_is_gone_takes_its_cells_and_rows_with_it() {
    let bench = busy("");
    let mut fewer = rules("");
    fewer.sets = vec![GroupingSet::new("total", &[]), GroupingSet::new("user", &[Dimension::Owner])];
    let monitor = Monitor::restore(&bench.monitor.snapshot().unwrap(), fewer).unwrap();
    let gauges = monitor.gauges();
    assert_eq!((gauges.cells, gauges.rows, gauges.series), (1, 4, 1));
    let mut bench = Bench { monitor, tables: bench.tables, offset: bench.offset };
    bench.send(&Head::last(3), &[Cell { generation: 3, ..user("ada", bucket(), 4, spent(money("1"), at(T))) }]);
    assert_eq!(bench.monitor.gauges().rows, 8);
}

#[test]
fn rows_that_wait_to_be_written_are_found_behind_rows_that_are_gone() {
    let mut bench = busy("");
    let mut fewer = rules("");
    fewer.sets.retain(|set| set.name == "user");
    let monitor = Monitor::restore(&bench.monitor.snapshot().unwrap(), fewer).unwrap();
    let mut again = Bench { monitor, tables: bench.tables.clone(), offset: bench.offset };
    again.flush();
    bench.flush();
    assert_eq!(again.tables.rows, bench.tables.rows);
}

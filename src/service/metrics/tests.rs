use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ingest::codec::UnknownFields;
use ingest::kafka::TopicPartition;
use runtime::io::{Message, Table};
use runtime::snapshot_watch::{SnapshotFigures, Written};
use runtime::{DriverState, DriverStatus, Effects, Stage};
use schemas::{Reason, Timestamp};
use sinks::clickhouse::SinkObserver;

use super::figures::FIGURES;
use super::*;
use crate::config::{Rules, load};
use crate::service::{connect, meter_factory};
use crate::stages::{MonitorFactory, StageFactory, StagePlace};

const NOW_MS: i64 = 1_795_305_600_000; // 2026-11-22T00:00:00Z

fn place(topic: &str) -> StagePlace {
    StagePlace { topic: topic.to_owned(), partition: 3, partitions: 4 }
}

/// A meter to which everything has happened that a message can do to it.
fn meter() -> (Box<dyn Stage>, UnknownFields) {
    let config = load(None).unwrap();
    let decoder = connect::decoder(None).unwrap();
    let unknown_fields = decoder.unknown_fields().clone();
    let factory = meter_factory(&config, &Rules::read(&config).unwrap(), decoder, 2).unwrap();
    let mut stage = factory.fresh(&place("usage-events"), 0).unwrap();
    let event = |id: &str, at: &str, amount: &str| {
        format!(
            r#"{{"event_id":"{id}","source":"s","occurred_at":"{at}","kind":"cost","amount":"{amount}","currency":"USD","audio_tokens":7}}"#
        )
    };
    let messages = [
        event("a", "2026-11-21T23:59:00Z", "1"),
        event("a", "2026-11-21T23:59:00Z", "1"),
        event("a", "2026-11-21T23:59:00Z", "2"),
        event("b", "2026-01-01T00:00:00Z", "1"),
        "{".to_owned(),
    ];
    for (offset, payload) in (0..).zip(&messages) {
        let message =
            Message { offset, timestamp: Timestamp::from_millis(NOW_MS), key: None, payload: Some(payload.as_bytes()), headers: &[] };
        stage.apply(&[message], &mut Effects::default()).unwrap();
    }
    stage.skip_to(8);
    (stage, unknown_fields)
}

fn report(stage: &'static str, topic: &str, gauges: Vec<(&'static str, f64)>) -> PartitionReport {
    let last = Written { bytes: 4096, duration: Duration::from_millis(250), taken_at: Timestamp::from_millis(NOW_MS) };
    PartitionReport {
        stage,
        name: TopicPartition { topic: topic.into(), partition: 3 },
        status: Some(DriverStatus {
            state: DriverState::Running,
            position: 8,
            snapshot_offset: Some(6),
            lag: Some(11),
            in_flight: 2,
            gauges,
        }),
        snapshots: SnapshotFigures { last: Some(last), trouble: Some("away".to_owned()) },
        refused: None,
    }
}

/// Of both stages and the sink, after everything has happened.
fn reports() -> (Vec<PartitionReport>, UnknownFields) {
    let (meter, unknown_fields) = meter();
    let config = load(None).unwrap();
    let monitor = MonitorFactory::new(&config, &Rules::read(&config).unwrap()).fresh(&place("rollup-partials"), 0).unwrap();
    let reports = vec![report("meter", "usage-events", meter.gauges()), report("monitor", "rollup-partials", monitor.gauges())];
    (reports, unknown_fields)
}

fn text() -> String {
    everything().text().unwrap()
}

/// Metrics after everything has happened that they count.
fn everything() -> Metrics {
    let (reports, unknown_fields) = reports();
    let sink = SinkMetrics::default();
    let sources = Sources {
        partitions: Box::new(move || reports.clone()),
        queues: Box::new(|| {
            let clickhouse = QueueLevel { queue: "clickhouse", entries: 5, bytes: Some(500) };
            vec![clickhouse, QueueLevel { queue: "producer", entries: 9, bytes: None }]
        }),
        unknown_fields: Box::new(move || unknown_fields.counts()),
    };
    let metrics = Metrics::new(&sink, sources);
    sink.inserted(Table::Rollups, 10, 1000, Duration::from_millis(3));
    sink.retried(Table::Rollups);
    sink.refused(Table::Alerts, 1);
    metrics
}

/// Names as they stand in a dashboard, from the `TYPE` lines: of everything that is registered, with a sample or without.
fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            line.strip_suffix(" counter").map_or_else(|| line.split(' ').next().unwrap().to_owned(), |name| format!("{name}_total"))
        })
        .collect()
}

#[test]
fn every_figure_of_a_stage_has_a_metric_and_every_metric_of_partitions_a_source() {
    let (reports, _) = reports();
    let given: BTreeSet<&str> = reports.iter().flat_map(|report| &report.status.as_ref().unwrap().gauges).map(|(name, _)| *name).collect();
    let known: BTreeSet<&str> = FIGURES.iter().map(|figure| figure.source).chain(figures::OUTCOMES).collect();
    let reasons: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    let nameless: Vec<_> = given.iter().filter(|name| !known.contains(**name) && !reasons.contains(**name)).collect();
    assert!(nameless.is_empty(), "add to src/service/metrics/figures.rs: {nameless:?}");
    let text = text();
    for figure in FIGURES {
        assert!(text.contains(&format!("\n# TYPE cost_rhythm_{}", figure.name)), "no stage gives {:?}", figure.source);
    }
}

#[test]
fn what_has_happened_has_its_sample() {
    let text = text();
    let partition = "topic=\"usage-events\",partition=\"3\"";
    for sample in [
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"counted\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"duplicate\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"conflict\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"late\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"rejected\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"skipped\"}} 3"),
        format!("cost_rhythm_dead_letters_total{{{partition},reason=\"conflict\"}} 1"),
        format!("cost_rhythm_dead_letters_total{{{partition},reason=\"too_late\"}} 1"),
        format!("cost_rhythm_dead_letters_total{{{partition},reason=\"not_json\"}} 1"),
        format!("cost_rhythm_unkeyed_messages_total{{stage=\"meter\",{partition}}} 5"),
        format!("cost_rhythm_watermark_seconds{{stage=\"meter\",{partition}}} 1795305540"),
        format!("cost_rhythm_lag_messages{{stage=\"meter\",{partition}}} 11"),
        format!("cost_rhythm_conservation_violated{{stage=\"meter\",{partition}}} 0"),
        format!("cost_rhythm_snapshot_bytes{{stage=\"meter\",{partition}}} 4096"),
        format!("cost_rhythm_snapshot_duration_seconds{{stage=\"meter\",{partition}}} 0.25"),
        format!("cost_rhythm_snapshot_taken_at_seconds{{stage=\"meter\",{partition}}} 1795305600"),
        "cost_rhythm_unknown_fields_total{field=\"audio_tokens\"} 4".to_owned(),
        "cost_rhythm_queue_depth{queue=\"clickhouse\"} 5".to_owned(),
        "cost_rhythm_queue_depth{queue=\"producer\"} 9".to_owned(),
        "cost_rhythm_queue_bytes{queue=\"clickhouse\"} 500".to_owned(),
        "cost_rhythm_sink_rows_total{table=\"rollups\"} 10".to_owned(),
    ] {
        assert!(text.lines().any(|line| line.strip_suffix(".0").unwrap_or(line) == sample), "{sample}\n{text}");
    }
}

#[test]
fn every_registered_metric_has_a_sample_and_none_stands_twice() {
    let text = text();
    let mut samples = BTreeMap::<&str, usize>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        *samples.entry(line.rsplit_once(' ').unwrap().0).or_default() += 1;
    }
    assert!(samples.values().all(|count| *count == 1), "{samples:?}");
    // A metric that nothing feeds is not even named in the text: the registry itself is asked.
    let registry = format!("{:?}", everything().registry);
    let registered: Vec<&str> = registry.split("name: \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(registered.len() >= 5, "{registry}");
    for name in registered {
        assert!(
            text.contains(&format!("\n# TYPE cost_rhythm_{name}")) || text.starts_with(&format!("# HELP cost_rhythm_{name}")),
            "{name} is registered and nothing feeds it"
        );
    }
    for name in names(&text) {
        let has_sample = |sample: &&str| sample.starts_with(&format!("{name}{{")) || sample.starts_with(&format!("{name}_count{{"));
        assert!(samples.keys().any(has_sample), "{name} is registered and nothing feeds it");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_operations_manual_lists_exactly_these_metrics() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md")).unwrap();
    let chapter = manual.split("## Metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `cost_rhythm_"));
    let listed: BTreeSet<String> = rows.map(|line| format!("cost_rhythm_{}", line.split('`').next().unwrap())).collect();
    assert_eq!(listed, names(&text()));
}

#[test]
fn a_partition_that_was_refused_is_shown_as_failed() {
    let refused = PartitionReport {
        status: None,
        snapshots: SnapshotFigures::default(),
        refused: Some("CR-1001".to_owned()),
        ..report("meter", "usage-events", Vec::new())
    };
    let sources =
        Sources { partitions: Box::new(move || vec![refused.clone()]), queues: Box::new(Vec::new), unknown_fields: Box::new(Vec::new) };
    let text = Metrics::new(&SinkMetrics::default(), sources).text().unwrap();
    let sample = "cost_rhythm_partition_failed{stage=\"meter\",topic=\"usage-events\",partition=\"3\"} 1";
    assert!(text.lines().any(|line| line.strip_suffix(".0").unwrap_or(line) == sample), "{text}");
}

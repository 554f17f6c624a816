use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ingest::codec::UnknownFields;
use ingest::kafka::TopicPartition;
use runtime::io::{Message, Table};
use runtime::snapshot_watch::{SnapshotFigures, Written};
use runtime::{DriverState, DriverStatus, Effects, Stage};
use schemas::rollup::BudgetRow;
use schemas::{Currency, Money, Reason, Timestamp};
use sinks::clickhouse::SinkObserver;

use super::figures::FIGURES;
use super::*;
use crate::config::{Rules, load};
use crate::service::{connect, meter_factory};
use crate::stages::budget_figures::BudgetFigures;
use crate::stages::spend_figures::SpendFigures;
use crate::stages::{MonitorFactory, StageFactory, StagePlace};

const MODEL: &str = "provider=\"anthropic\",model=\"claude-haiku-4-5\"";
const NOW_MS: i64 = 1_795_305_600_000; // 2026-11-22T00:00:00Z

fn place(topic: &str) -> StagePlace {
    StagePlace { topic: topic.to_owned(), partition: 3, partitions: 4 }
}

/// At half past midnight.
fn spend_sources() -> SpendSources {
    let now = || Timestamp::from_millis(NOW_MS + 1_800_000);
    SpendSources { spend: SpendFigures::new(2), budgets: BudgetFigures::new(1, []), now }
}

/// A call, and the price of it: one dollar per million of input, five of output.
const CALLS: [&str; 2] = [
    r#"{"event_id":"c1","source":"s","occurred_at":"2026-11-21T23:58:00Z","kind":"llm","provider":"anthropic","model":"claude-haiku-4-5","input_tokens":2000,"output_tokens":500,"cache_read_tokens":3}"#,
    r#"{"event_id":"c2","source":"s","occurred_at":"2026-11-21T23:20:00Z","kind":"llm","provider":"anthropic","model":"claude-haiku-4-5","input_tokens":2001,"output_tokens":0,"status":"timeout"}"#,
];

/// A meter to which everything has happened that a message can do to it.
fn meter(figures: &SpendFigures) -> (Box<dyn Stage>, UnknownFields) {
    let config = load(None).unwrap();
    let decoder = connect::decoder(None).unwrap();
    let unknown_fields = decoder.unknown_fields().clone();
    let factory = meter_factory(&config, &Rules::read(&config).unwrap(), decoder, 2, figures.clone()).unwrap();
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
    let messages: Vec<String> = messages.into_iter().chain(CALLS.map(str::to_owned)).collect();
    for (offset, payload) in (0..).zip(&messages) {
        let message =
            Message { offset, timestamp: Timestamp::from_millis(NOW_MS), key: None, payload: Some(payload.as_bytes()), headers: &[] };
        stage.apply(&[message], &mut Effects::default()).unwrap();
    }
    stage.skip_to(10);
    stage.flush(&mut Effects::default()).unwrap();
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
fn reports(figures: &SpendFigures) -> (Vec<PartitionReport>, UnknownFields) {
    let (meter, unknown_fields) = meter(figures);
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
    let spend = spend_sources();
    let (reports, unknown_fields) = reports(&spend.spend);
    note_budgets(&spend.budgets);
    let sink = SinkMetrics::default();
    let sources = Sources {
        partitions: Box::new(move || reports.clone()),
        queues: Box::new(|| {
            let clickhouse = QueueLevel { queue: "clickhouse", entries: 5, bytes: Some(500) };
            vec![clickhouse, QueueLevel { queue: "producer", entries: 9, bytes: None }]
        }),
        unknown_fields: Box::new(move || unknown_fields.counts()),
        spend,
    };
    let metrics = Metrics::new(&sink, sources);
    sink.inserted(Table::Rollups, 10, 1000, Duration::from_millis(3));
    sink.retried(Table::Rollups);
    sink.refused(Table::Alerts, 1);
    metrics
}

/// As a monitor would write them; what it noted is kept for the test.
fn note_budgets(figures: &BudgetFigures) {
    let mut notes = figures.notes();
    for (scope, spent) in [("user_id=u-1", 150), ("user_id=u-2", 20)] {
        notes.note(&BudgetRow {
            budget: "llm-user-daily",
            scope,
            period: "2026-11-22",
            period_start: Timestamp::from_millis(NOW_MS),
            period_end: Timestamp::from_millis(NOW_MS + 86_400_000),
            currency: Currency::USD,
            spent: Money::from_whole(spent),
            limit: Money::from_whole(200),
            projection: None,
            level: "",
            revision: 1,
        });
    }
    notes.show();
    std::mem::forget(notes);
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
    let (reports, _) = reports(&SpendFigures::new(1));
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
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"counted\"}} 3"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"duplicate\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"conflict\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"late\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"rejected\"}} 1"),
        format!("cost_rhythm_offsets_total{{{partition},outcome=\"skipped\"}} 3"),
        format!("cost_rhythm_dead_letters_total{{{partition},reason=\"conflict\"}} 1"),
        format!("cost_rhythm_dead_letters_total{{{partition},reason=\"too_late\"}} 1"),
        format!("cost_rhythm_dead_letters_total{{{partition},reason=\"not_json\"}} 1"),
        format!("cost_rhythm_unkeyed_messages_total{{stage=\"meter\",{partition}}} 7"),
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
        // 4000 uncached at 1 USD a million, 500 of output at 5, 3 cached at 0.1.
        format!("llm_total_cost_usd{{{MODEL}}} 0.0065013"),
        // Of these, those of the last 60 minutes.
        format!("llm_cost_per_hour_usd{{{MODEL}}} 0.0045003"),
        format!("llm_api_calls_total{{{MODEL},status=\"ok\"}} 1"),
        format!("llm_api_calls_total{{{MODEL},status=\"error\"}} 1"),
        format!("llm_token_usage_sum{{{MODEL},kind=\"uncached_input\"}} 4001"),
        format!("llm_token_usage_count{{{MODEL},kind=\"uncached_input\"}} 2"),
        format!("llm_token_usage_bucket{{le=\"2000.0\",{MODEL},kind=\"uncached_input\"}} 1"),
        format!("llm_token_usage_bucket{{le=\"4000.0\",{MODEL},kind=\"uncached_input\"}} 2"),
        format!("llm_token_usage_bucket{{le=\"+Inf\",{MODEL},kind=\"output\"}} 1"),
        "budget_usage_ratio{budget=\"llm-user-daily\",scope=\"user_id=u-1\"} 0.75".to_owned(),
        "budget_usage_ratio{budget=\"llm-user-daily\",scope=\"__other__\"} 0.1".to_owned(),
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
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows.map(|line| line.split('`').next().unwrap().to_owned()).collect();
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
    let sources = Sources {
        partitions: Box::new(move || vec![refused.clone()]),
        queues: Box::new(Vec::new),
        unknown_fields: Box::new(Vec::new),
        spend: spend_sources(),
    };
    let text = Metrics::new(&SinkMetrics::default(), sources).text().unwrap();
    let sample = "cost_rhythm_partition_failed{stage=\"meter\",topic=\"usage-events\",partition=\"3\"} 1";
    assert!(text.lines().any(|line| line.strip_suffix(".0").unwrap_or(line) == sample), "{text}");
}

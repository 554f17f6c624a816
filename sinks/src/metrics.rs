//! The pipeline's own figures in Prometheus' text format.
//!
//! Names begin with `cost_rhythm_` and end with their unit (`_total` for counters). Labels are bounded: stages, partitions,
//! tables, reason codes and the names of the first unknown fields.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use runtime::io::Table;
use schemas::Outcome;

use crate::clickhouse::SinkObserver;

/// Most unknown field names that get a series of their own; further ones count under `__other__`.
pub const MAX_UNKNOWN_FIELDS: usize = 100;

/// A partition of a stage's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartitionLabels {
    /// `meter` or `monitor`.
    pub stage: &'static str,
    /// The partition.
    pub partition: i32,
}

/// How offsets of an input partition ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    /// The input partition.
    pub partition: i32,
    /// counted, duplicate, conflict, late, rejected, skipped.
    pub outcome: &'static str,
}

/// One stable reason code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabels {
    /// As in the dead letter's `cr_reason`.
    pub reason: &'static str,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QueueLabels {
    /// `clickhouse`, `producer`, ...
    pub queue: &'static str,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TableLabels {
    /// Which.
    pub table: TableLabel,
}

/// One field name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FieldLabels {
    /// As the producer wrote it.
    pub field: String,
}

/// One kind of memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MemoryLabels {
    /// `dedup`, `cells`, `resident`, ...
    pub part: &'static str,
}

/// A table as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableLabel(pub Table);

impl EncodeLabelValue for TableLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = match self.0 {
            Table::Rollups => "rollups",
            Table::UsageEvents => "usage_events",
            Table::Alerts => "alerts",
            Table::Budgets => "budgets",
            Table::Accounts => "accounts",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

type Count = Counter<u64, AtomicU64>;
type Seconds = Gauge<f64, AtomicU64>;

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $name:literal, $make:expr;)*) => {
        /// Every figure; clones count together.
        #[derive(Clone, Debug)]
        pub struct Metrics {
            registry: Arc<Registry>,
            $($(#[doc = $doc])+ pub $field: $kind,)*
        }

        impl Metrics {
            /// All at zero.
            pub fn new() -> Self {
                let mut registry = Registry::with_prefix("cost_rhythm");
                $(
                    let $field: $kind = $make;
                    registry.register($name, concat!($($doc),+).trim().trim_end_matches('.'), $field.clone());
                )*
                Metrics { registry: Arc::new(registry), $($field),* }
            }
        }
    };
}

/// From 1 ms to half a minute.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

metrics! {
    /// Offsets of the input topic read, per partition.
    offsets_in: Family<PartitionLabels, Count> = "offsets_in", Family::default();
    /// How offsets of the input topic ended.
    outcomes: Family<OutcomeLabels, Count> = "outcomes", Family::default();
    /// Dead letters by their reason code.
    dead_letters: Family<ReasonLabels, Count> = "dead_letters", Family::default();
    /// Messages between the position and the end of the log.
    lag: Family<PartitionLabels, Gauge> = "lag_messages", Family::default();
    /// The watermark (largest counted event time), seconds since 1970.
    watermark: Family<PartitionLabels, Seconds> = "watermark_seconds", Family::default();
    /// Cells or rollup rows in memory.
    cells: Family<PartitionLabels, Gauge> = "cells", Family::default();
    /// Bytes of memory by what they are for.
    memory: Family<MemoryLabels, Gauge> = "memory_bytes", Family::default();
    /// Entries waiting in a queue.
    queue_depth: Family<QueueLabels, Gauge> = "queue_depth", Family::default();
    /// Bytes waiting in a queue or under way.
    queue_bytes: Family<QueueLabels, Gauge> = "queue_bytes", Family::default();
    /// Rows durable in ClickHouse.
    sink_rows: Family<TableLabels, Count> = "sink_rows", Family::default();
    /// Bytes durable in ClickHouse, as sent before compression.
    sink_bytes: Family<TableLabels, Count> = "sink_bytes", Family::default();
    /// Attempts to insert that failed and were repeated.
    sink_retries: Family<TableLabels, Count> = "sink_retries", Family::default();
    /// Rows that ClickHouse refused for good.
    sink_refused_rows: Family<TableLabels, Count> = "sink_refused_rows", Family::default();
    /// Seconds from an insert's first attempt until it was durable.
    sink_latency: Family<TableLabels, Histogram> = "sink_latency_seconds", Family::new_with_constructor(latency);
    /// Size of the last snapshot.
    snapshot_bytes: Family<PartitionLabels, Gauge> = "snapshot_bytes", Family::default();
    /// How long the last snapshot took.
    snapshot_duration: Family<PartitionLabels, Seconds> = "snapshot_duration_seconds", Family::default();
    /// When the last snapshot was taken, seconds since 1970.
    snapshot_taken_at: Family<PartitionLabels, Seconds> = "snapshot_taken_at_seconds", Family::default();
    /// Times that offsets in and the sum of outcomes differed: a bug, always zero.
    conservation_violations: Count = "conservation_violations", Count::default();
    /// Messages without a key: their repeats may land on another partition and are then not recognised.
    unkeyed_messages: Family<PartitionLabels, Count> = "unkeyed_messages", Family::default();
    /// Events with a field that is not part of the contract, by its name.
    unknown_fields: Family<FieldLabels, Count> = "unknown_fields", Family::default();
    /// Revenues without an exchange rate, counted as 0.
    revenue_without_rate: Count = "revenue_without_rate", Count::default();
}

impl Metrics {
    /// The text of `/metrics`.
    ///
    /// # Errors
    /// Only if the formatter fails, which writing to a text never does.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Counts offsets of an input partition that ended so.
    pub fn count_outcome(&self, partition: i32, outcome: Outcome, count: u64) {
        let outcome = match outcome {
            Outcome::Counted => "counted",
            Outcome::Duplicate => "duplicate",
            Outcome::Conflict => "conflict",
            Outcome::Late => "late",
            Outcome::Rejected => "rejected",
            Outcome::Skipped => "skipped",
        };
        self.outcomes.get_or_create(&OutcomeLabels { partition, outcome }).inc_by(count);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl SinkObserver for Metrics {
    fn inserted(&self, table: Table, rows: u64, bytes: u64, elapsed: Duration) {
        let labels = TableLabels { table: TableLabel(table) };
        self.sink_rows.get_or_create(&labels).inc_by(rows);
        self.sink_bytes.get_or_create(&labels).inc_by(bytes);
        self.sink_latency.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    fn retried(&self, table: Table) {
        self.sink_retries.get_or_create(&TableLabels { table: TableLabel(table) }).inc();
    }

    fn refused(&self, table: Table, rows: u64) {
        self.sink_refused_rows.get_or_create(&TableLabels { table: TableLabel(table) }).inc_by(rows);
    }

    fn queued(&self, bytes: u64) {
        self.queue_bytes.get_or_create(&QueueLabels { queue: "clickhouse" }).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// Counts unknown field names without letting them grow without a bound.
#[derive(Debug, Default)]
pub struct UnknownFields {
    known: std::collections::HashSet<String>,
}

impl UnknownFields {
    /// Counts a name. True when it is seen for the first time and deserves a warning.
    pub fn count(&mut self, metrics: &Metrics, field: &str) -> bool {
        let is_known = self.known.contains(field);
        let is_new = !is_known && self.known.len() < MAX_UNKNOWN_FIELDS;
        if is_new {
            self.known.insert(field.to_owned());
        }
        let label = if is_known || is_new { field } else { schemas::grouping::OTHER };
        metrics.unknown_fields.get_or_create(&FieldLabels { field: label.to_owned() }).inc();
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_prefix_unit_help_and_labels() {
        let metrics = Metrics::new();
        metrics.offsets_in.get_or_create(&PartitionLabels { stage: "meter", partition: 3 }).inc_by(7);
        metrics.count_outcome(3, Outcome::Counted, 6);
        metrics.inserted(Table::Rollups, 10, 1000, Duration::from_millis(3));
        metrics.queued(42);
        let text = metrics.text().unwrap();
        for line in [
            "cost_rhythm_offsets_in_total{stage=\"meter\",partition=\"3\"} 7",
            "cost_rhythm_outcomes_total{partition=\"3\",outcome=\"counted\"} 6",
            "cost_rhythm_sink_rows_total{table=\"rollups\"} 10",
            "cost_rhythm_queue_bytes{queue=\"clickhouse\"} 42",
            "cost_rhythm_conservation_violations_total 0",
            "# TYPE cost_rhythm_sink_latency_seconds histogram",
            "# HELP cost_rhythm_conservation_violations Times that offsets in",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn unknown_fields_are_bounded_and_new_ones_said_once() {
        let (metrics, mut fields) = (Metrics::new(), UnknownFields::default());
        assert!(fields.count(&metrics, "audio_tokens"));
        assert!(!fields.count(&metrics, "audio_tokens"));
        for number in 0..200 {
            fields.count(&metrics, &format!("field_{number}"));
        }
        let text = metrics.text().unwrap();
        assert!(text.contains("cost_rhythm_unknown_fields_total{field=\"audio_tokens\"} 2"));
        assert!(text.contains("cost_rhythm_unknown_fields_total{field=\"__other__\"} 101"));
    }
}

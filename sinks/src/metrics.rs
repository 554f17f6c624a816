//! The figures of the ClickHouse sink, for the process's one registry of metrics.
//!
//! Labels are bounded: there are five tables.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use runtime::io::Table;

use crate::clickhouse::SinkObserver;

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabels {
    table: TableLabel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TableLabel(Table);

impl EncodeLabelValue for TableLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = match self.0 {
            Table::Rollups => "rollups",
            Table::UsageEvents => "usage_events",
            Table::Alerts => "alerts",
            Table::Budgets => "budgets",
            Table::Rhythm => "rhythm",
            Table::Pace => "pace",
            Table::Anomalies => "anomalies",
            Table::Accounts => "accounts",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

type Counts = Family<TableLabels, Counter<u64, AtomicU64>>;

/// What the sink counts; clones count together.
#[derive(Clone, Debug)]
pub struct SinkMetrics {
    rows: Counts,
    bytes: Counts,
    retries: Counts,
    refused_rows: Counts,
    latency: Family<TableLabels, Histogram>,
}

impl Default for SinkMetrics {
    fn default() -> Self {
        // From 1 ms to half a minute.
        let latency = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        SinkMetrics {
            rows: Counts::default(),
            bytes: Counts::default(),
            retries: Counts::default(),
            refused_rows: Counts::default(),
            latency: Family::new_with_constructor(latency),
        }
    }
}

impl SinkMetrics {
    /// Shows them in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("sink_rows", "Rows durable in ClickHouse", self.rows.clone());
        registry.register_with_unit("sink", "Bytes durable in ClickHouse, as sent before compression", Unit::Bytes, self.bytes.clone());
        registry.register("sink_retries", "Attempts to insert that failed and were repeated", self.retries.clone());
        registry.register("sink_refused_rows", "Rows that ClickHouse refused for good", self.refused_rows.clone());
        let latency = "From an insert's first attempt until it was durable";
        registry.register_with_unit("sink_latency", latency, Unit::Seconds, self.latency.clone());
    }
}

impl SinkObserver for SinkMetrics {
    fn inserted(&self, table: Table, rows: u64, bytes: u64, elapsed: Duration) {
        let labels = TableLabels { table: TableLabel(table) };
        self.rows.get_or_create(&labels).inc_by(rows);
        self.bytes.get_or_create(&labels).inc_by(bytes);
        self.latency.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    fn retried(&self, table: Table) {
        self.retries.get_or_create(&TableLabels { table: TableLabel(table) }).inc();
    }

    fn refused(&self, table: Table, rows: u64) {
        self.refused_rows.get_or_create(&TableLabels { table: TableLabel(table) }).inc_by(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_fed_and_has_its_unit_in_its_name() {
        let (metrics, mut registry) = (SinkMetrics::default(), Registry::with_prefix("cost_rhythm"));
        metrics.register(&mut registry);
        metrics.inserted(Table::Rollups, 10, 1000, Duration::from_millis(3));
        metrics.retried(Table::Alerts);
        metrics.refused(Table::UsageEvents, 7);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "cost_rhythm_sink_rows_total{table=\"rollups\"} 10",
            "cost_rhythm_sink_bytes_total{table=\"rollups\"} 1000",
            "cost_rhythm_sink_retries_total{table=\"alerts\"} 1",
            "cost_rhythm_sink_refused_rows_total{table=\"usage_events\"} 7",
            "cost_rhythm_sink_latency_seconds_count{table=\"rollups\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}

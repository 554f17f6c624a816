//! The one registry of the process's metrics, and its text for `/metrics`.
//!
//! Names begin with `cost_rhythm_` (those of spend have names of their own), hold their unit, and end with `_total` when they only grow. What the stages and queues know
//! themselves is asked when the text is made; only what happens in between (inserts) is counted here. Labels are bounded: stages,
//! partitions, tables, queues, reason codes, and the names of the first unknown fields. `docs/OPERATIONS.md` lists every name, and
//! a test compares.

mod figures;
mod partitions;
mod process;
mod spend;
#[cfg(test)]
mod tests;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use sinks::metrics::SinkMetrics;

use self::partitions::PartitionCollector;
use self::process::ProcessCollector;
use self::spend::SpendCollector;
pub use self::spend::SpendSources;
use super::partitions::PartitionReport;

/// Media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLevel {
    /// `clickhouse` or `producer`.
    pub queue: &'static str,
    /// Batches or records that are waiting or under way.
    pub entries: u64,
    /// Their bytes; `None` when the queue does not know.
    pub bytes: Option<u64>,
}

/// Asked at every scrape; must not block.
pub struct Sources {
    /// The condition of every partition.
    pub partitions: Box<dyn Fn() -> Vec<PartitionReport> + Send + Sync>,
    /// The queues behind them.
    pub queues: Box<dyn Fn() -> Vec<QueueLevel> + Send + Sync>,
    /// Names of fields that no event has, and how often each was seen.
    pub unknown_fields: Box<dyn Fn() -> Vec<(String, u64)> + Send + Sync>,
    /// Spend, calls, tokens and budgets.
    pub spend: SpendSources,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Over the sink's own counters and what is asked.
    pub fn new(sink: &SinkMetrics, sources: Sources) -> Self {
        let Sources { partitions, queues, unknown_fields, spend } = sources;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(SpendCollector(spend)));
        let own = registry.sub_registry_with_prefix("cost_rhythm");
        sink.register(own);
        own.register_collector(Box::new(PartitionCollector(partitions)));
        own.register_collector(Box::new(ProcessCollector { queues, unknown_fields }));
        Metrics { registry }
    }

    /// The text of `/metrics`, as OpenMetrics, which Prometheus reads.
    ///
    /// # Errors
    /// Only if the formatter fails, which writing to a text never does.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

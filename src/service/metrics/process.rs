//! Metrics of the process as a whole: queues, and fields that no event has.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};

use runtime::invariant::Invariant;

use super::QueueLevel;
use super::figures::{Figure, Kind, Measure};
use super::partitions::encode_figure;

/// Asks at every scrape.
pub(super) struct ProcessCollector {
    pub(super) queues: Box<dyn Fn() -> Vec<QueueLevel> + Send + Sync>,
    pub(super) unknown_fields: Box<dyn Fn() -> Vec<(String, u64)> + Send + Sync>,
}

impl std::fmt::Debug for ProcessCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProcessCollector")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FieldLabels {
    field: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InvariantLabels {
    invariant: String,
}

const QUEUE_ENTRIES: Figure = Figure {
    source: "",
    name: "queue_depth",
    kind: Kind::Gauge,
    measure: None,
    help: "Batches of rows (clickhouse) or records (producer) that are waiting or under way",
};
const QUEUE_BYTES: Figure =
    Figure { name: "queue", measure: Some(Measure::Bytes), help: "Bytes that are waiting or under way", ..QUEUE_ENTRIES };
const UNKNOWN_FIELDS: Figure = Figure {
    name: "unknown_fields",
    kind: Kind::Counter,
    help: "Events with a field that no event has, by its name; __other__: names beyond the first 256",
    ..QUEUE_ENTRIES
};

const BROKEN_INVARIANTS: Figure = Figure {
    name: "broken_invariants",
    kind: Kind::Counter,
    help: "Times that something which must always hold did not, by its name: a bug, always 0",
    ..QUEUE_ENTRIES
};

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let levels = (self.queues)();
        let labels = |level: &QueueLevel| QueueLabels { queue: level.queue.to_owned() };
        encode_figure(&mut encoder, &QUEUE_ENTRIES, levels.iter().map(|level| (labels(level), level.entries as f64)))?;
        encode_figure(&mut encoder, &QUEUE_BYTES, levels.iter().filter_map(|level| Some((labels(level), level.bytes? as f64))))?;
        let fields = (self.unknown_fields)().into_iter().map(|(field, count)| (FieldLabels { field }, count as f64));
        encode_figure(&mut encoder, &UNKNOWN_FIELDS, fields)?;
        let invariants =
            Invariant::ALL.map(|invariant| (InvariantLabels { invariant: invariant.name().to_owned() }, invariant.broken() as f64));
        encode_figure(&mut encoder, &BROKEN_INVARIANTS, invariants.into_iter())
    }
}

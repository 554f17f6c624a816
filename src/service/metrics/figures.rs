//! What each figure of a partition is called in `/metrics`.

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// A metric and where its samples come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    /// The name that the stage or the report gives it.
    pub source: &'static str,
    /// The name in `/metrics`, without prefix, unit and `_total`.
    pub name: &'static str,
    /// Only grows?
    pub kind: Kind,
    /// The unit, which is the name's end.
    pub measure: Option<Measure>,
    /// A sentence.
    pub help: &'static str,
}

/// What it is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Bytes,
    Seconds,
}

impl Measure {
    pub(super) fn unit(self) -> Unit {
        match self {
            Measure::Bytes => Unit::Bytes,
            Measure::Seconds => Unit::Seconds,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, as long as the partition stays with the process.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    pub(super) fn metric_type(self) -> MetricType {
        match self {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        }
    }
}

const fn gauge(source: &'static str, name: &'static str, help: &'static str) -> Figure {
    Figure { source, name, kind: Kind::Gauge, measure: None, help }
}

const fn counter(source: &'static str, name: &'static str, help: &'static str) -> Figure {
    Figure { source, name, kind: Kind::Counter, measure: None, help }
}

const fn measured(source: &'static str, name: &'static str, measure: Measure, help: &'static str) -> Figure {
    Figure { source, name, kind: Kind::Gauge, measure: Some(measure), help }
}

/// Of the report and the stages' own.
pub(super) const FIGURES: &[Figure] = &[
    // Both stages.
    gauge("failed", "partition_failed", "1: the partition is stopped or refused, and a person is needed"),
    gauge("position", "position", "First offset that is not read yet"),
    gauge("lag", "lag_messages", "Messages between the position and the end of the log"),
    gauge("in_flight", "in_flight", "Records and batches sent and not yet acknowledged"),
    gauge("snapshot_offset", "snapshot_offset", "Offset that the last snapshot stands for"),
    measured("snapshot_bytes", "snapshot", Measure::Bytes, "Size of the last snapshot with the segments written along"),
    measured("snapshot_duration", "snapshot_duration", Measure::Seconds, "How long the last snapshot took to be written"),
    measured("snapshot_taken_at", "snapshot_taken_at", Measure::Seconds, "When the last snapshot was taken, since 1970"),
    gauge("snapshot_waits", "snapshot_waits", "1: a snapshot cannot be written yet, the state store is away"),
    gauge("cells", "cells", "Cells in memory"),
    measured("memory_bytes", "memory", Measure::Bytes, "Memory of the state, estimated"),
    // The meter.
    gauge("conservation_violated", "conservation_violated", "1: offsets read and the sum of outcomes differ, which is a bug"),
    counter(
        "unkeyed",
        "unkeyed_messages",
        "Messages without a key: their repeats may land on another partition and are then not recognised",
    ),
    counter("revenue_without_rate", "revenue_without_rate", "Events whose revenue counts 0: no exchange rate of its currency was in force"),
    measured("watermark_seconds", "watermark", Measure::Seconds, "The largest counted event time, since 1970"),
    gauge("identities", "identities", "Identities remembered for recognising repeats, in memory and in runs"),
    gauge("identities_in_memory", "identities_in_memory", "Those in memory"),
    counter("identities_read", "identities_read", "Identities of runs that were read from the state store"),
    // The monitor.
    gauge("rows", "rows", "Rollup rows in memory"),
    gauge("series", "series", "Series in memory"),
    gauge("inputs", "inputs", "Input partitions heard of"),
    gauge("budget_states", "budget_states", "Budgets, scopes and periods being watched"),
    gauge("watched_series", "watched_series", "Series that are watched"),
    gauge("unwatched_series", "unwatched_series", "Series of the last closed hour that are not watched, for want of room"),
    counter("repeated_cells", "repeated_cells", "Cells that were sent again, after a crash, and changed nothing"),
    counter("unknown_set_cells", "unknown_set_cells", "Cells of grouping sets that this process does not have"),
    counter("late_budget_changes", "late_budget_changes", "Changes later than windows.retain: in the rollups, in no budget"),
    counter("unrated_budget_changes", "unrated_budget_changes", "Changes without an exchange rate, in no budget"),
];

/// The stages' figures that are samples of `cost_rhythm_offsets_total`.
pub(super) const OUTCOMES: [&str; 6] = ["counted", "duplicate", "conflict", "late", "rejected", "skipped"];

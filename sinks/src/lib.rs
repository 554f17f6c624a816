//! Rows, records and figures out: ClickHouse, Kafka, metrics.

pub mod clickhouse;
pub mod kafka;
pub mod metrics;

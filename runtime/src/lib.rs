//! Drives a stage, a deterministic fold over one log partition, and makes its effects durable.
//!
//! Everything outside is behind the interfaces of [`io`], so that a simulator can stand in for Kafka, ClickHouse and
//! the object store.

pub mod io;

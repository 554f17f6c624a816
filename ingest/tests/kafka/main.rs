//! The consumer against a real Apache Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::type_complexity, reason = "a test")]

#[allow(dead_code, reason = "shared with other packages' tests")]
mod broker;
mod reading;
mod secured;

//! The consumer against a real Apache Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::type_complexity, reason = "a test")]

mod broker;
mod reading;

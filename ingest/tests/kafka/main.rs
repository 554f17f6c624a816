//! The consumer against a real Apache Kafka.

mod broker;
mod reading;

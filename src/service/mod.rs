//! The service: both stages, or one of them, until it is told to stop.

pub mod http;
pub mod partitions;

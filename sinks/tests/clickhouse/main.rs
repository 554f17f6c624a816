//! The ClickHouse sink against the real engine.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod accounts;
mod delivery;
mod digits;
mod migrating;
mod proxy;
mod refusals;
mod samples;
mod server;
mod throughput;
mod tls;
mod views;

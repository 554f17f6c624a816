//! The ClickHouse sink against the real engine.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod accounts;
mod analysts;
mod delivery;
mod digits;
mod incidents;
mod migrating;
#[path = "../../../tests/support/proxy.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other packages' tests")]
mod proxy;
mod refusals;
mod samples;
mod server;
mod throughput;
mod tls;
mod views;

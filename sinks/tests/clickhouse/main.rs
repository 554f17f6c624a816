//! The ClickHouse sink against the real engine.
#![allow(unreachable_pub)]

mod accounts;
mod delivery;
mod digits;
mod migrating;
mod proxy;
mod refusals;
mod samples;
mod server;
mod throughput;
mod views;

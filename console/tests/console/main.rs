//! The API and the page against the real ClickHouse engine, the page in a real browser.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod answers;
mod away;
mod browser;
mod cursors;
mod devtools;
mod engine_process;
mod filling;
mod intake;
mod openapi;
mod problems;
mod server;
mod stream;

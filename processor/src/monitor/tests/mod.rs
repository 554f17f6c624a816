//! Tests of the monitor: blocks in, rows and alerts out.

mod budgets;
mod judgements;
mod protocol;
mod rolling;
mod rows;
mod snapshots;
mod watch;
mod world;

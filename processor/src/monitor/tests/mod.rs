//! Tests of the monitor: blocks in, rows and alerts out.

mod budgets;
mod protocol;
mod rows;
mod snapshots;
mod world;

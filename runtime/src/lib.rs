//! Drives a stage, a deterministic fold over one log partition, and makes its effects durable.
//!
//! Everything outside is behind the interfaces of [`io`] and [`store`], so that a simulator can stand in for Kafka, ClickHouse
//! and the object store.

pub mod driver;
mod identity_runs;
pub mod invariant;
pub mod io;
pub mod object_snapshots;
mod patience;
pub mod recovery;
pub mod snapshot;
pub mod snapshot_watch;
pub mod stage;
pub mod state_store;
pub mod status;
pub mod store;
mod stored_run;

pub use driver::{Driver, DriverOptions, Step};
pub use stage::{Effects, Stage, StageError, Taken};
pub use status::{DriverState, DriverStatus};

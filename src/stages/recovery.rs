//! Bringing a stage back to where it may go on.

use ingest::kafka::AssignedPartition;
use runtime::io::IoError;
use runtime::object_snapshots::ObjectSnapshots;
use runtime::recovery::{Situation, Start, decide};
use runtime::store::SnapshotStore;
use runtime::{Stage, StageError};

use super::{StageFactory, StagePlace};

/// A stage in the state that the store, the group and the log ask for, and the offset from which it reads on. `partitions` is how many the
/// topic has, `log_id` the cluster's identity.
///
/// # Errors
/// [`StageError`]: the partition must not begin; the text says why and what to do.
pub fn recover(
    factory: &dyn StageFactory,
    store: &mut ObjectSnapshots,
    partition: &AssignedPartition,
    partitions: i32,
    log_id: &str,
) -> Result<(Box<dyn Stage>, i64), StageError> {
    let name = &partition.name;
    let unreadable =
        |error: IoError| StageError { code: "CR-1008", text: format!("{name}: the state store does not answer: {error}; check state.url") };
    let holdings = store.load().map_err(unreadable)?;
    let rules = factory.rules();
    let start = decide(&Situation {
        snapshot: holdings.newest.as_ref().map(|loaded| &loaded.head),
        broken: &holdings.broken,
        stage: factory.name(),
        topic: &name.topic,
        partition: name.partition,
        log_id,
        rules: &rules,
        committed: partition.committed,
        log_start: partition.log_start,
        log_end: partition.log_end,
    })?;
    let place = StagePlace { topic: name.topic.to_string(), partition: name.partition, partitions };
    match (start, holdings.newest) {
        (Start::Resume(offset), Some(loaded)) => {
            let stage = factory.restore(&place, &loaded)?;
            if loaded.head.is_final {
                store.reopen(&loaded).map_err(unreadable)?;
            }
            tracing::info!(stage = factory.name(), partition = %name, offset, "resumed from a snapshot");
            Ok((stage, offset))
        }
        (Start::Fresh(offset) | Start::Resume(offset), _) => {
            tracing::info!(stage = factory.name(), partition = %name, offset, "begun without a snapshot");
            Ok((factory.fresh(&place, offset)?, offset))
        }
    }
}

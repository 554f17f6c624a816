//! The meter's state as bytes: everything but the identities, which go into segments of their own.

use schemas::{Accounts, Bucket, Measures, Timestamp};
use serde::{Deserialize, Serialize};

use super::bucket_table::BucketTable;
use super::cell::Cell;
use super::{Meter, MeterPlace, MeterRules};
use crate::pricing::Pricer;

/// First byte of the state.
pub const SNAPSHOT_VERSION: u8 = 1;

/// Why bytes are no state of a meter under these rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a newer program.
    #[error(
        "meter state has format version {0}, this program reads version {SNAPSHOT_VERSION}: run the version that wrote it, or a newer one"
    )]
    Version(u8),
    /// Not the state of a meter.
    #[error("meter state cannot be read: {0}")]
    Malformed(String),
    /// Of another partition.
    #[error("meter state is of {found}, wanted {wanted}")]
    Foreign {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// The number of partitions of the partials topic has changed: series would be sent to other monitors.
    #[error(
        "meter state was written for {found} partitions of the partials topic, which now has {wanted}: see docs/OPERATIONS.md, 'adding partitions'"
    )]
    Shards {
        /// Then.
        found: i32,
        /// Now.
        wanted: i32,
    },
}

#[derive(Serialize, Deserialize)]
struct State {
    topic: String,
    partition: i32,
    shards: i32,
    accounts: Accounts,
    watermark: Timestamp,
    closed_before: Timestamp,
    tables: Vec<TableState>,
}

#[derive(Serialize, Deserialize)]
struct TableState {
    bucket: Bucket,
    generation: i64,
    seal_at: Timestamp,
    events: u64,
    cells: Vec<CellState>,
}

#[derive(Serialize, Deserialize)]
struct CellState {
    set: String,
    values: Vec<String>,
    version: i64,
    measures: Measures,
}

impl Meter {
    /// The state, for a snapshot at `accounts().next_offset`. To be called right after a flush whose blocks were taken:
    /// what was not sent is not in it as such.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] should the encoder fail, which it does not on valid state.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let tables = self.tables.iter().map(|table| TableState {
            bucket: table.bucket,
            generation: table.generation,
            seal_at: table.seal_at,
            events: table.events,
            cells: table.cells().map(|(cell, measures)| self.cell_state(cell, measures)).collect(),
        });
        let state = State {
            topic: self.place.topic.clone(),
            partition: self.place.partition,
            shards: self.place.shards,
            accounts: self.accounts,
            watermark: self.watermark,
            closed_before: self.closed_before,
            tables: tables.collect(),
        };
        postcard::to_extend(&state, vec![SNAPSHOT_VERSION]).map_err(malformed)
    }

    fn cell_state(&self, cell: &Cell, measures: Measures) -> CellState {
        CellState {
            set: self.index.set_name(cell.series).to_owned(),
            values: self.index.values(cell.series).map(str::to_owned).collect(),
            version: cell.version,
            measures,
        }
    }

    /// The identities counted since the last call, for an immutable segment, and the event day after which it can go.
    pub fn take_segment(&mut self) -> (Vec<u8>, i64) {
        self.dedup.take_appended()
    }

    /// A meter in the state of a snapshot; its segments' identities still have to be restored. Cells of sets that the rules
    /// no longer have are forgotten.
    ///
    /// # Errors
    /// [`SnapshotError`]
    pub fn restore(bytes: &[u8], rules: MeterRules, place: MeterPlace, pricer: Pricer) -> Result<Self, SnapshotError> {
        let state: State = match bytes.split_first() {
            Some((&SNAPSHOT_VERSION, rest)) => postcard::from_bytes(rest).map_err(malformed)?,
            Some((version, _)) => return Err(SnapshotError::Version(*version)),
            None => return Err(SnapshotError::Malformed("it is empty".to_owned())),
        };
        if (state.topic.as_str(), state.partition) != (place.topic.as_str(), place.partition) {
            let found = format!("{}/{}", state.topic, state.partition);
            return Err(SnapshotError::Foreign { found, wanted: format!("{}/{}", place.topic, place.partition) });
        }
        if state.shards != place.shards {
            return Err(SnapshotError::Shards { found: state.shards, wanted: place.shards });
        }
        let mut meter = Meter::new(rules, place, pricer, state.accounts.first_offset);
        meter.accounts = state.accounts;
        meter.watermark = state.watermark;
        meter.closed_before = state.closed_before;
        for table in state.tables {
            meter.restore_table(table);
        }
        Ok(meter)
    }

    fn restore_table(&mut self, state: TableState) {
        let mut table = BucketTable::new(state.bucket, state.generation, state.seal_at, self.rules.sets.len());
        table.events = state.events;
        for cell in state.cells {
            if let Some(set) = self.index.set_named(&cell.set) {
                let series = self.index.of_texts(set, cell.values.iter().map(String::as_str));
                table.restore(series, set, cell.version, &cell.measures);
                self.cells += 1;
            }
        }
        self.tables.push(table);
    }

    /// Puts the identities of a segment back.
    pub fn restore_segment(&mut self, segment: &[u8]) {
        self.dedup.restore(segment);
    }
}

fn malformed(error: postcard::Error) -> SnapshotError {
    SnapshotError::Malformed(error.to_string())
}

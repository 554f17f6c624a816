//! The meter's state as bytes: everything but the identities, which go into segments of their own.

use std::borrow::Cow;

use schemas::grouping::MAX_KEY;
use schemas::identity_run::{IdentityRun, Segment};
use schemas::{Accounts, Bucket, GroupingSet, Measures, Timestamp};
use serde::{Deserialize, Serialize};

use super::bucket_table::BucketTable;
use super::{Meter, MeterPlace, MeterRules};
use crate::prefetch::Prefetches;
use crate::pricing::Pricer;
use crate::state_bytes::{LazySeq, Parts, state_bytes};

/// First byte of the state.
pub const SNAPSHOT_VERSION: u8 = 2;
/// The same without the grouping sets: cells are of the set that has their name, if its key is as long as theirs.
const NAMED_SETS_VERSION: u8 = 1;

/// Cells that are looked up together, so that what that needs is fetched at the same time.
const RESTORED_TOGETHER: usize = 32;

/// Why bytes are no state of a meter under these rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a newer program.
    #[error(
        "meter state has format version {0}, this program reads versions 1 to {SNAPSHOT_VERSION}: run the version that wrote it, or a newer one"
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

/// A state, written from borrowed parts and read part by part, without a copy of the cells: with `()` for a sequence, what stands before it.
/// In front of the tables are the grouping sets.
#[derive(Serialize, Deserialize)]
struct State<'a, T> {
    topic: Cow<'a, str>,
    partition: i32,
    shards: i32,
    accounts: Accounts,
    watermark: Timestamp,
    closed_before: Timestamp,
    tables: T,
}

#[derive(Serialize, Deserialize)]
struct TableState<C> {
    bucket: Bucket,
    generation: i64,
    seal_at: Timestamp,
    events: u64,
    cells: C,
}

#[derive(Serialize, Deserialize)]
struct CellState<'a, V> {
    set: &'a str,
    values: V,
    version: i64,
    measures: Measures,
}

/// A [`CellState`] as it is read.
struct ReadCell<'a> {
    set: usize,
    values: [&'a str; MAX_KEY],
    /// How many values it has.
    count: usize,
    version: i64,
    measures: Measures,
}

impl<'a> ReadCell<'a> {
    fn values(&self) -> &[&'a str] {
        &self.values[..self.count]
    }
}

impl Meter {
    /// The state, for a snapshot at `accounts().next_offset`. To be called right after a flush whose blocks were taken:
    /// what was not sent is not in it as such.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] should the encoder fail, which it does not on valid state.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let index = &self.index;
        let tables = || {
            self.tables.iter().map(|table| TableState {
                bucket: table.bucket,
                generation: table.generation,
                seal_at: table.seal_at,
                events: table.events,
                cells: LazySeq(move || {
                    table.cells().map(move |(cell, measures)| CellState {
                        set: index.set_name(cell.series),
                        values: LazySeq(move || index.values(cell.series)),
                        version: cell.version,
                        measures,
                    })
                }),
            })
        };
        let state = State {
            topic: self.place.topic.as_str().into(),
            partition: self.place.partition,
            shards: self.place.shards,
            accounts: self.accounts,
            watermark: self.watermark,
            closed_before: self.closed_before,
            tables: (&self.rules.sets, LazySeq(tables)),
        };
        state_bytes(SNAPSHOT_VERSION, &state).map_err(malformed)
    }

    /// Identities for the snapshot. What is sealed is to be given back with [`Meter::stored`] before the next call.
    pub fn take_segment(&mut self) -> Segment {
        self.dedup.take_segment(self.watermark)
    }

    /// The identities taken last are stored, the sealed ones among these runs, oldest first.
    pub fn stored(&mut self, runs: Vec<IdentityRun>) {
        self.dedup.stored(runs);
    }

    /// A meter in the state of a snapshot; its segments' identities still have to be restored. Cells of sets that the rules
    /// no longer have, or have with another key or filter, are forgotten.
    ///
    /// # Errors
    /// [`SnapshotError`]
    pub fn restore(bytes: &[u8], rules: MeterRules, place: MeterPlace, pricer: Pricer) -> Result<Self, SnapshotError> {
        let (version, mut parts) = match bytes.split_first() {
            Some((version, rest)) if (NAMED_SETS_VERSION..=SNAPSHOT_VERSION).contains(version) => (*version, Parts(rest)),
            Some((version, _)) => return Err(SnapshotError::Version(*version)),
            None => return Err(SnapshotError::Malformed("it is empty".to_owned())),
        };
        let state: State<'_, ()> = parts.take().map_err(malformed)?;
        if (&*state.topic, state.partition) != (place.topic.as_str(), place.partition) {
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
        meter.restore_tables(version, &mut parts).map_err(malformed)?;
        Ok(meter)
    }

    fn restore_tables(&mut self, version: u8, parts: &mut Parts<'_>) -> postcard::Result<()> {
        let sets: Option<Vec<GroupingSet>> = if version > NAMED_SETS_VERSION { Some(parts.take()?) } else { None };
        let is_same = |set: &GroupingSet| sets.as_ref().is_none_or(|sets| sets.iter().any(|old| old.is_same(set)));
        let are_the_same: Vec<bool> = self.rules.sets.iter().map(is_same).collect();
        let (mut group, mut ahead) = (Vec::new(), Prefetches::default());
        for _ in 0..parts.length()? {
            let state: TableState<()> = parts.take()?;
            let mut table = BucketTable::new(state.bucket, state.generation, state.seal_at, self.rules.sets.len());
            table.events = state.events;
            let cells = parts.length()?;
            table.reserve(parts.room(cells));
            for read in 1..=cells {
                if let Some(cell) = self.read_cell(&are_the_same, parts)? {
                    self.index.prefetch_values(cell.set, cell.values(), &mut ahead);
                    group.push(cell);
                }
                if group.len() == RESTORED_TOGETHER || read == cells {
                    ahead.begin();
                    self.cells += group.len();
                    for cell in group.drain(..) {
                        let series = self.index.of_texts(cell.set, cell.values().iter().copied());
                        table.restore(series, cell.set, cell.version, &cell.measures);
                    }
                }
            }
            self.tables.push(table);
        }
        Ok(())
    }

    /// `None`: of a set that the rules no longer have, or that is not the same.
    #[inline]
    fn read_cell<'b>(&self, are_the_same: &[bool], parts: &mut Parts<'b>) -> postcard::Result<Option<ReadCell<'b>>> {
        let set = self.index.set_named(parts.take()?);
        let (mut values, count) = ([""; MAX_KEY], parts.length()?);
        for nth in 0..count {
            let value = parts.take()?;
            if let Some(place) = values.get_mut(nth) {
                *place = value;
            }
        }
        let (version, measures) = (parts.signed()?, parts.measures()?);
        let set = set.filter(|set| are_the_same[*set] && self.rules.sets[*set].key.len() == count);
        Ok(set.map(|set| ReadCell { set, values, count, version, measures }))
    }

    /// Puts the identities of a segment back.
    pub fn restore_segment(&mut self, segment: &[u8]) {
        self.dedup.restore(segment);
    }
}

fn malformed(error: postcard::Error) -> SnapshotError {
    SnapshotError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use schemas::Dimension;

    use super::*;

    type WholeTable<'a> = TableState<Vec<CellState<'a, Vec<&'a str>>>>;

    /// What is written lazily is what `State` would be.
    #[test]
    fn a_state_is_read_as_it_was_written() {
        let sets = vec![GroupingSet::new("total", &[]), GroupingSet::new("pair", &[Dimension::Provider, Dimension::UserId])];
        let place = MeterPlace { topic: "in".into(), partition: 3, inputs: 4, shards: 2 };
        let mut meter = Meter::new(MeterRules::new(sets), place, Pricer::without_prices(), 7);
        for number in 0..3_u32 {
            let bucket = Bucket::from_number(1000 + number);
            let mut table = BucketTable::new(bucket, number.into(), bucket.end(), 2);
            let measures = Measures { events: 1, first_event_at: bucket.start(), last_event_at: bucket.start(), ..Measures::EMPTY };
            let total = meter.index.of_texts(0, std::iter::empty());
            let pair = meter.index.of_texts(1, ["openai", "u"].into_iter());
            for (set, series) in [(0, total), (1, pair)].into_iter().take(number as usize) {
                table.restore(series, set, 5, &measures);
            }
            meter.tables.push(table);
        }
        let bytes = meter.snapshot().unwrap();
        let state: State<'_, (Vec<GroupingSet>, Vec<WholeTable<'_>>)> = postcard::from_bytes(&bytes[1..]).unwrap();
        assert_eq!(postcard::to_stdvec(&state).unwrap(), bytes[1..]);
        let (sets, tables) = state.tables;
        assert_eq!(sets, meter.rules.sets);
        assert_eq!(tables.iter().map(|table| table.cells.len()).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(tables[2].cells[1].values, ["openai", "u"]);
    }
}

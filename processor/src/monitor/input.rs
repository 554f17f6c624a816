//! What the monitor knows of one input partition.

use std::collections::BTreeMap;

use schemas::measures::NotLater;
use schemas::{Accounts, Bucket, Measures, Timestamp};

use super::series::SeriesId;
use crate::paged_index::PagedIndex;

/// An input partition, as its blocks have described it.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) topic: Box<str>,
    pub(super) partition: i32,
    /// Most partitions that its topic was said to have.
    pub(super) inputs: i32,
    pub(super) shards: i32,
    /// Every change before this input offset has arrived: cells of versions up to here are repeats.
    pub(super) known_through: i64,
    /// It has closed every bucket that ends at or before this.
    pub(super) closed_before: Timestamp,
    pub(super) accounts: Accounts,
    /// Offset after the record that brought the accounts.
    pub(super) revision: i64,
    pub(super) dirty: bool,
    /// Cells not sealed yet, by bucket and generation.
    pub(super) tables: BTreeMap<(Bucket, i64), CellTable>,
}

impl Input {
    pub(super) fn new(topic: &str, partition: i32) -> Self {
        Input {
            topic: topic.into(),
            partition,
            inputs: 1,
            shards: 1,
            known_through: i64::MIN,
            closed_before: Timestamp::from_micros(i64::MIN),
            accounts: Accounts::default(),
            revision: 0,
            dirty: false,
            tables: BTreeMap::new(),
        }
    }
}

/// The latest value of a cell.
#[derive(Clone, Debug)]
pub(super) struct HeldCell {
    pub(super) series: SeriesId,
    pub(super) version: i64,
    pub(super) measures: Measures,
}

/// All cells of one bucket and generation of an input.
#[derive(Debug, Default)]
pub(super) struct CellTable {
    pub(super) cells: Vec<HeldCell>,
    index: PagedIndex,
}

/// What a cell brought.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing: this version or a later one was there before.
    Repeat,
    /// An increment of a cell seen before.
    More(Measures),
    /// The first value of a cell.
    First(Measures),
}

impl CellTable {
    /// Keeps the value if it is later than the one held.
    #[inline]
    pub(super) fn take(&mut self, series: SeriesId, version: i64, measures: &Measures) -> Result<News, NotLater> {
        let cells = &mut self.cells;
        if let Some(at) = self.index.get(series) {
            let held = &mut cells[at as usize];
            if version <= held.version {
                return Ok(News::Repeat);
            }
            let delta = measures.since(&held.measures)?;
            (held.version, held.measures) = (version, *measures);
            return Ok(News::More(delta));
        }
        self.add(HeldCell { series, version, measures: *measures });
        Ok(News::First(*measures))
    }

    /// Adds the cell of a series that has none yet.
    #[inline]
    pub(super) fn add(&mut self, cell: HeldCell) {
        self.index.set(cell.series, self.cells.len() as u32);
        self.cells.push(cell);
    }

    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<HeldCell>() + self.index.bytes()
    }
}

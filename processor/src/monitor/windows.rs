//! Rows of quarter hours, hours, days and months.
//!
//! Which rows exist, their generations and revisions depend on the log alone: a window leaves the memory when a record has
//! closed it for long enough, never because of a flush. What it has not written by then is written by the next flush.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use schemas::calendar::{Calendar, Window};
use schemas::measures::Overflow;
use schemas::rollup::{Granularity, RollupRow};
use schemas::{Bucket, GroupingSet, Measures, Timestamp};

use super::MonitorEffects;
use super::series::{SeriesId, SeriesIndex};
use super::slab::Slab;
use crate::paged_index::PagedIndex;
use crate::prefetch::prefetch;

/// The value of one series in one window, as far as this generation goes.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) series: SeriesId,
    /// Changed since it was last written?
    pub(super) dirty: bool,
    /// Offset of the record that opened it.
    pub(super) generation: i64,
    /// Offset after the record that last changed it.
    pub(super) revision: i64,
    pub(super) measures: Measures,
}

/// All rows of one window.
#[derive(Debug)]
pub(super) struct WindowTable {
    pub(super) granularity: Granularity,
    pub(super) window: Window,
    /// In the order in which they were opened.
    pub(super) rows: Vec<Row>,
    index: PagedIndex,
    dirty_rows: u32,
    /// Only here until its dirty rows are written.
    pub(super) departed: bool,
}

impl WindowTable {
    pub(super) fn new(granularity: Granularity, window: Window) -> Self {
        WindowTable { granularity, window, rows: Vec::new(), index: PagedIndex::default(), dirty_rows: 0, departed: false }
    }

    /// Adds the row of a series that has none yet.
    #[inline]
    pub(super) fn add(&mut self, row: Row) -> u32 {
        let at = self.rows.len() as u32;
        self.dirty_rows += u32::from(row.dirty);
        self.index.set(row.series, at);
        self.rows.push(row);
        at
    }
}

/// All windows in memory.
#[derive(Debug, Default)]
pub(super) struct Windows {
    pub(super) tables: Slab<WindowTable>,
    /// Those not departed, by end.
    pub(super) by_end: BTreeMap<(Timestamp, Granularity), u32>,
    /// The windows asked for last: cells come bucket by bucket.
    current: Option<(Bucket, [u32; 4])>,
    /// Table and row, in the order in which they became dirty.
    pub(super) dirty: Vec<(u32, u32)>,
    pub(super) departed: Vec<u32>,
    rows: usize,
}

impl Windows {
    /// Adds to the four rows of the series; rows that are not there are opened.
    #[inline]
    pub(super) fn add(
        &mut self,
        calendar: &Calendar,
        (bucket, id): (Bucket, SeriesId),
        delta: &Measures,
        offset: i64,
        series: &mut SeriesIndex,
    ) -> Result<(), Overflow> {
        let slots = match self.current {
            Some((current, slots)) if current == bucket => slots,
            _ => self.open(calendar, bucket),
        };
        // With many series none of the four rows is in a cache: they are fetched at the same time.
        for table in slots.iter().filter_map(|slot| self.tables.get(*slot)) {
            if let Some(row) = table.index.get(id).and_then(|at| table.rows.get(at as usize)) {
                prefetch(row);
            }
        }
        for slot in slots {
            let Some(table) = self.tables.get_mut(slot) else { continue };
            let at = match table.index.get(id) {
                Some(at) => at,
                None => {
                    series.hold(id);
                    self.rows += 1;
                    table.add(Row { series: id, dirty: false, generation: offset, revision: 0, measures: Measures::EMPTY })
                }
            };
            let row = &mut table.rows[at as usize];
            row.measures.merge(delta)?;
            row.revision = offset + 1;
            if !row.dirty {
                row.dirty = true;
                table.dirty_rows += 1;
                self.dirty.push((slot, at));
            }
        }
        Ok(())
    }

    fn open(&mut self, calendar: &Calendar, bucket: Bucket) -> [u32; 4] {
        let slots = Granularity::ALL.map(|granularity| {
            let window = window_of(calendar, granularity, bucket);
            let key = (window.end, granularity);
            *self.by_end.entry(key).or_insert_with(|| self.tables.insert(WindowTable::new(granularity, window)))
        });
        self.current = Some((bucket, slots));
        slots
    }

    /// Puts a table from a snapshot in place.
    pub(super) fn adopt(&mut self, table: WindowTable) -> u32 {
        let key = (table.window.end, table.granularity);
        let departed = table.departed;
        self.rows += table.rows.len();
        let slot = self.tables.insert(table);
        if departed {
            self.departed.push(slot);
        } else {
            self.by_end.insert(key, slot);
        }
        slot
    }

    /// The row of a snapshot waits to be written. To be called once for each, in the order in which they became dirty.
    pub(super) fn mark_dirty(&mut self, slot: u32, at: u32) {
        let Some(table) = self.tables.get_mut(slot) else { return };
        if let Some(row) = table.rows.get_mut(at as usize) {
            row.dirty = true;
            table.dirty_rows += 1;
            self.dirty.push((slot, at));
        }
    }

    /// Windows that end in `(before, closed]` become final: each row is written once more.
    pub(super) fn close(&mut self, before: Timestamp, closed: Timestamp, revision: i64) {
        let from = Excluded((before, Granularity::Month));
        for (_, slot) in self.by_end.range((from, Included((closed, Granularity::Month)))) {
            let Some(table) = self.tables.get_mut(*slot) else { continue };
            for (at, row) in table.rows.iter_mut().enumerate() {
                row.revision = revision;
                if !row.dirty {
                    row.dirty = true;
                    table.dirty_rows += 1;
                    self.dirty.push((*slot, at as u32));
                }
            }
        }
    }

    /// Lets go of windows that ended at or before `until`.
    pub(super) fn evict(&mut self, until: Timestamp, series: &mut SeriesIndex) {
        while let Some(first) = self.by_end.first_entry().filter(|entry| entry.key().0 <= until) {
            let slot = first.remove();
            self.current = None;
            match self.tables.get_mut(slot) {
                Some(table) if table.dirty_rows > 0 => {
                    table.departed = true;
                    self.departed.push(slot);
                }
                _ => self.drop_table(slot, series),
            }
        }
    }

    fn drop_table(&mut self, slot: u32, series: &mut SeriesIndex) {
        let Some(table) = self.tables.remove(slot) else { return };
        self.rows -= table.rows.len();
        for row in &table.rows {
            series.release(row.series);
        }
    }

    /// Writes what has changed.
    pub(super) fn flush(&mut self, sets: &[GroupingSet], closed: Timestamp, series: &mut SeriesIndex, out: &mut dyn MonitorEffects) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for (slot, at) in dirty.drain(..) {
            let Some(table) = self.tables.get_mut(slot) else { continue };
            let row = &mut table.rows[at as usize];
            row.dirty = false;
            table.dirty_rows -= 1;
            out.rollup(&RollupRow {
                set: &sets[series.set_of(row.series) as usize].name,
                granularity: table.granularity,
                window_start: table.window.start,
                values: series.values(row.series),
                generation: row.generation,
                revision: row.revision,
                is_final: table.window.end <= closed,
                measures: row.measures,
            });
        }
        self.dirty = dirty;
        for slot in std::mem::take(&mut self.departed) {
            self.drop_table(slot, series);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    pub(super) fn bytes(&self) -> usize {
        let table = |table: &WindowTable| table.rows.capacity() * size_of::<Row>() + table.index.bytes();
        self.tables.values().map(table).sum::<usize>() + self.dirty.capacity() * 8
    }
}

pub(super) fn window_of(calendar: &Calendar, granularity: Granularity, bucket: Bucket) -> Window {
    match granularity {
        Granularity::QuarterHour => calendar.quarter_hour(bucket),
        Granularity::Hour => calendar.hour(bucket),
        Granularity::Day => calendar.day(bucket),
        Granularity::Month => calendar.month(bucket),
    }
}

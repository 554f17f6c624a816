//! The cells of one 15-minute bucket.

use schemas::{Bucket, Measures, Timestamp};

use super::series::SeriesId;

const PAGE: usize = 64;
const NO_PAGE: u32 = u32::MAX;
const NO_CELL: u32 = u32::MAX;

/// The value of one series in one bucket, as far as this generation goes.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) series: SeriesId,
    /// Changed since it was last sent?
    pub(super) dirty: bool,
    /// Input offset after the last event in it.
    pub(super) version: i64,
    pub(super) measures: Measures,
}

/// All cells of a bucket. Opened by an event, sealed when the watermark says that hardly anything more will come.
#[derive(Debug)]
pub(super) struct BucketTable {
    pub(super) bucket: Bucket,
    /// The input offset that opened it.
    pub(super) generation: i64,
    /// It is sealed when the watermark reaches this.
    pub(super) seal_at: Timestamp,
    /// Events in it.
    pub(super) events: u64,
    pub(super) cells: Vec<Cell>,
    /// Cells changed since the last flush, by index.
    pub(super) dirty: Vec<u32>,
    /// Series so far, by set.
    pub(super) series_per_set: Vec<u32>,
    /// First level: page number by series / 64.
    directory: Vec<u32>,
    /// Second level: cell index by series % 64.
    pages: Vec<[u32; PAGE]>,
}

impl BucketTable {
    pub(super) fn new(bucket: Bucket, generation: i64, seal_at: Timestamp, sets: usize) -> Self {
        BucketTable {
            bucket,
            generation,
            seal_at,
            events: 0,
            cells: Vec::new(),
            dirty: Vec::new(),
            series_per_set: vec![0; sets],
            directory: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// The index of the series' cell.
    #[inline]
    pub(super) fn find(&self, series: SeriesId) -> Option<usize> {
        let page = *self.directory.get(series as usize / PAGE)?;
        let cell = *self.pages.get(page as usize)?.get(series as usize % PAGE)?;
        (cell != NO_CELL).then_some(cell as usize)
    }

    /// Adds an empty cell for a series that has none.
    pub(super) fn add(&mut self, series: SeriesId, set: usize) -> usize {
        let slot = series as usize / PAGE;
        if self.directory.len() <= slot {
            self.directory.resize(slot + 1, NO_PAGE);
        }
        if self.directory[slot] == NO_PAGE {
            self.directory[slot] = self.pages.len() as u32;
            self.pages.push([NO_CELL; PAGE]);
        }
        let page = self.directory[slot] as usize;
        let index = self.cells.len();
        self.pages[page][series as usize % PAGE] = index as u32;
        self.series_per_set[set] += 1;
        self.cells.push(Cell { series, dirty: false, version: 0, measures: Measures::EMPTY });
        index
    }

    /// Asks the processor to fetch a cell.
    #[inline]
    pub(super) fn prefetch(&self, index: usize) {
        if let Some(cell) = self.cells.get(index) {
            prefetch(cell);
        }
    }

    /// Adds an event's measures to a cell.
    #[inline]
    pub(super) fn count(&mut self, index: usize, version: i64, measures: &Measures) {
        let cell = &mut self.cells[index];
        cell.measures.add_bounded(measures);
        cell.version = version;
        if !cell.dirty {
            cell.dirty = true;
            self.dirty.push(index as u32);
        }
    }

    /// The same table after the series were numbered anew.
    pub(super) fn renumbered(self, mut number: impl FnMut(SeriesId) -> SeriesId) -> Self {
        let mut table = BucketTable::new(self.bucket, self.generation, self.seal_at, 0);
        table.events = self.events;
        table.series_per_set = vec![0; self.series_per_set.len().max(1)];
        for cell in self.cells {
            let series = number(cell.series);
            let index = table.add(series, 0);
            table.cells[index] = Cell { series, ..cell };
        }
        table.dirty = self.dirty;
        table.series_per_set = self.series_per_set;
        table
    }

    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
            + self.pages.capacity() * PAGE * 4
            + (self.directory.capacity() + self.dirty.capacity()) * 4
    }
}

/// Asks the processor to fetch all cache lines of a value.
#[inline]
pub(super) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of::<T>()).step_by(64) {
        let address = std::ptr::from_ref(value).cast::<i8>().wrapping_add(line);
        // SAFETY: a hint, which may be given for any address.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

//! The cells of one 15-minute bucket.

use std::collections::BTreeMap;

use schemas::{Bucket, Measures, Timestamp, huge_pages};

use super::cell::{CARRY_EVENTS, Cell, Increment};
use super::series::SeriesId;
use crate::paged_index::PagedIndex;
use crate::prefetch::Prefetches;

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
    cells: Vec<Cell>,
    /// What cells have carried over, by index: hardly any ever does.
    carried: BTreeMap<u32, Measures>,
    /// Cells changed since the last flush, by index.
    dirty: Vec<u32>,
    /// A cell of at most this version was not changed since the last flush.
    flushed: i64,
    /// Series so far, by set.
    pub(super) series_per_set: Vec<u32>,
    /// Cells by series.
    index: PagedIndex,
}

impl BucketTable {
    pub(super) fn new(bucket: Bucket, generation: i64, seal_at: Timestamp, sets: usize) -> Self {
        BucketTable {
            bucket,
            generation,
            seal_at,
            events: 0,
            cells: Vec::new(),
            carried: BTreeMap::new(),
            dirty: Vec::new(),
            flushed: 0,
            series_per_set: vec![0; sets],
            index: PagedIndex::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The index of the series' cell.
    #[inline]
    pub(super) fn find(&self, series: SeriesId) -> Option<usize> {
        self.index.get(series).map(|index| index as usize)
    }

    /// Adds an empty cell for a series that has none.
    pub(super) fn add(&mut self, series: SeriesId, set: usize) -> usize {
        self.add_cell(Cell::empty(series, 0), set)
    }

    fn add_cell(&mut self, cell: Cell, set: usize) -> usize {
        let index = self.cells.len();
        self.index.set(cell.series, index as u32);
        self.series_per_set[set] += 1;
        huge_pages::push(&mut self.cells, cell);
        index
    }

    /// Makes room for so many more cells.
    pub(super) fn reserve(&mut self, cells: usize) {
        huge_pages::reserve(&mut self.cells, cells);
    }

    /// Adds the cell of a snapshot, whose value was sent.
    pub(super) fn restore(&mut self, series: SeriesId, set: usize, version: i64, measures: &Measures) {
        let narrow = Cell::of_measures(series, version, measures, self.bucket);
        let index = self.add_cell(narrow.unwrap_or(Cell::empty(series, version)), set);
        if narrow.is_none() {
            self.carried.insert(index as u32, *measures);
        }
        self.flushed = self.flushed.max(version);
    }

    /// Adds what finding the series' cell needs.
    #[inline]
    pub(super) fn prefetch_place(&self, series: SeriesId, into: &mut Prefetches) {
        if let Some(place) = self.index.place(series) {
            into.add(place);
        }
    }

    /// Adds the series' cell.
    #[inline]
    pub(super) fn prefetch_cell(&self, series: SeriesId, into: &mut Prefetches) {
        if let Some(cell) = self.find(series).and_then(|index| self.cells.get(index)) {
            into.add(cell);
        }
    }

    /// Adds an event to the series' cell, if it has one. Says which.
    #[inline]
    pub(super) fn count_known(&mut self, series: SeriesId, version: i64, event: &Increment) -> bool {
        let found = self.find(series);
        if let Some(index) = found {
            self.count(index, version, event);
        }
        found.is_some()
    }

    /// Adds an event to a cell.
    #[inline]
    pub(super) fn count(&mut self, index: usize, version: i64, event: &Increment) {
        let cell = &mut self.cells[index];
        if cell.version <= self.flushed {
            self.dirty.push(index as u32);
        }
        if cell.events >= CARRY_EVENTS {
            carry(&mut self.carried, index, cell, self.bucket);
        }
        cell.add(version, event);
    }

    /// The value of a cell.
    pub(super) fn measures(&self, index: usize) -> Measures {
        let cell = &self.cells[index];
        let mut measures = cell.measures(self.bucket);
        if !self.carried.is_empty()
            && let Some(carried) = self.carried.get(&(index as u32))
        {
            measures.add_bounded(carried);
        }
        measures
    }

    /// Every cell with its value.
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = (&Cell, Measures)> {
        self.cells.iter().enumerate().map(|(index, cell)| (cell, self.measures(index)))
    }

    /// Hands every cell that changed since the last flush to `each`, in the order in which they changed. `through`: the offset after
    /// the last event.
    pub(super) fn flush(&mut self, through: i64, mut each: impl FnMut(&Cell, &Measures)) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            each(&self.cells[index as usize], &self.measures(index as usize));
        }
        self.dirty = dirty;
        self.flushed = self.flushed.max(through);
    }

    /// The same table after the series were numbered anew. Cells keep their indexes.
    pub(super) fn renumbered(self, mut number: impl FnMut(SeriesId) -> SeriesId) -> Self {
        let mut table = BucketTable::new(self.bucket, self.generation, self.seal_at, 1);
        for cell in self.cells {
            table.add_cell(cell.numbered(number(cell.series)), 0);
        }
        BucketTable {
            events: self.events,
            carried: self.carried,
            dirty: self.dirty,
            flushed: self.flushed,
            series_per_set: self.series_per_set,
            ..table
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>() + self.index.bytes() + self.dirty.capacity() * 4
    }
}

/// Makes room in a cell that is full.
#[cold]
fn carry(carried: &mut BTreeMap<u32, Measures>, index: usize, cell: &mut Cell, bucket: Bucket) {
    carried.entry(index as u32).or_insert(Measures::EMPTY).add_bounded(&cell.measures(bucket));
    *cell = Cell::empty(cell.series, cell.version);
}

#[cfg(test)]
mod tests {
    use schemas::measures::Priced;
    use schemas::tokens::MAX_TOKENS;
    use schemas::{Dimension, Event, Kind, Money, Tokens};

    use super::*;

    const BUCKET: Bucket = Bucket::from_number(1_994_825);

    fn event(number: i64) -> (Event<'static>, Priced) {
        let most = 4 * MAX_TOKENS;
        let event = Event {
            source: "test",
            event_id: "",
            occurred_at: BUCKET.start().plus((number * 7919) % 900_000_000),
            kind: if number % 3 == 0 { Kind::Adjustment } else { Kind::Llm },
            adjusts: "",
            dimensions: [""; Dimension::COUNT],
            tokens: Tokens { uncached_input: most, cache_read: -most, cache_write_1h: MAX_TOKENS, output: 1, ..Tokens::default() },
            usage_known: true,
            amount: None,
            revenue: None,
            latency_ms: (number % 2 == 0).then_some(number as u64),
            status: if number % 5 == 0 { "error" } else { "ok" },
            error_type: "",
            tags: &[],
            attributes: &[],
        };
        let cost = Money::from_whole(if number % 3 == 0 { -1_000_000_000 } else { 1_000_000_000 });
        (event, Priced { cost, revenue: Money::from_units((number % 2).into()), unpriced: number % 7 == 0 })
    }

    /// The largest events that there are, beyond what a cell holds by itself.
    #[test]
    fn narrow_sums_are_those_of_128_bits() {
        let mut table = BucketTable::new(BUCKET, 0, BUCKET.end(), 1);
        let cell = table.add(0, 0);
        assert_eq!(table.measures(cell), Measures::EMPTY);
        let mut wide = Measures::EMPTY;
        for number in 0..3 * i64::from(CARRY_EVENTS) + 5 {
            let (event, priced) = event(number);
            table.count(cell, number + 1, &Increment::of(&event, &priced));
            wide.add_bounded(&Measures::of(&event, &priced));
            if number < 5 || number % (1 << 17) < 2 {
                assert_eq!(table.measures(cell), wide, "after {} events", number + 1);
            }
        }
        assert_eq!(table.measures(cell), wide);
        assert!(wide.uncached_input_tokens > i128::from(i64::MAX));
    }

    #[test]
    fn a_restored_cell_goes_on_where_it_was_however_wide() {
        let mut wide =
            Measures { events: u64::from(CARRY_EVENTS) - 2, output_tokens: -7, cost: Money::from_units(1 << 100), ..Measures::EMPTY };
        (wide.first_event_at, wide.last_event_at) = (BUCKET.start(), BUCKET.end().plus(-1));
        for tokens in [0, 1 << 70, i128::from(i64::MAX)] {
            wide.reasoning_tokens = tokens;
            let (mut table, mut expected) = (BucketTable::new(BUCKET, 0, BUCKET.end(), 1), wide);
            table.restore(3, 0, 100, &wide);
            assert_eq!(table.measures(0), wide);
            for number in 0..5 {
                let (event, priced) = event(number);
                table.count(0, 101 + number, &Increment::of(&event, &priced));
                expected.add_bounded(&Measures::of(&event, &priced));
            }
            let mut sent = Vec::new();
            table.flush(106, |cell, measures| sent.push((cell.series, cell.version, *measures)));
            assert_eq!(sent, [(3, 105, expected)]);
            table.flush(106, |_, _| panic!("nothing has changed"));
        }
    }
}

//! Numbers for series, so that their texts are stored and compared once.

use hashbrown::HashTable;
use schemas::GroupingSet;
use schemas::alert::scope_text;
use schemas::grouping::OTHER;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Number of a series within one monitor; never leaves the process and decides no output's order.
pub(super) type SeriesId = u32;

/// A grouping set's index in the rules, and one value for each dimension of its key.
#[derive(Debug)]
struct Series {
    set: u16,
    /// How many cells, rows and budget states refer to it.
    holders: u32,
    hash: u64,
    values: Box<[Box<str>]>,
}

/// All series that something refers to. The number of one that nothing refers to any more is given out again, so that memory
/// is bounded by what is held, not by what was ever seen.
#[derive(Debug, Default)]
pub(super) struct SeriesIndex {
    series: Vec<Series>,
    free: Vec<SeriesId>,
    by_key: HashTable<SeriesId>,
    text_bytes: usize,
}

impl SeriesIndex {
    /// The series' number. Whoever keeps it must [`SeriesIndex::hold`] it.
    #[inline]
    pub(super) fn intern<V: AsRef<str>>(&mut self, set: u16, values: &[V]) -> SeriesId {
        let hash = values.iter().fold(u64::from(set) + 1, |seed, value| xxh3_64_with_seed(value.as_ref().as_bytes(), seed));
        let series = &self.series;
        let is_it = |id: &SeriesId| {
            let found = &series[*id as usize];
            let same_texts = || found.values.iter().map(AsRef::as_ref).eq(values.iter().map(AsRef::as_ref));
            found.hash == hash && found.set == set && same_texts()
        };
        match self.by_key.find(hash, is_it) {
            Some(id) => *id,
            None => self.add(Series { set, holders: 0, hash, values: values.iter().map(|value| value.as_ref().into()).collect() }),
        }
    }

    fn add(&mut self, new: Series) -> SeriesId {
        let hash = new.hash;
        self.text_bytes += text_bytes(&new.values);
        let id = match self.free.pop() {
            Some(id) => {
                self.series[id as usize] = new;
                id
            }
            None => {
                self.series.push(new);
                (self.series.len() - 1) as SeriesId
            }
        };
        let series = &self.series;
        self.by_key.insert_unique(hash, id, |id| series[*id as usize].hash);
        id
    }

    /// One more refers to it.
    #[inline]
    pub(super) fn hold(&mut self, id: SeriesId) {
        self.series[id as usize].holders += 1;
    }

    /// One less refers to it.
    pub(super) fn release(&mut self, id: SeriesId) {
        let series = &mut self.series[id as usize];
        series.holders = series.holders.saturating_sub(1);
        if series.holders > 0 {
            return;
        }
        let values = std::mem::take(&mut series.values);
        self.text_bytes -= text_bytes(&values);
        if let Ok(entry) = self.by_key.find_entry(series.hash, |held| *held == id) {
            entry.remove();
            self.free.push(id);
        }
    }

    pub(super) fn set_of(&self, id: SeriesId) -> u16 {
        self.series[id as usize].set
    }

    pub(super) fn values(&self, id: SeriesId) -> &[Box<str>] {
        &self.series[id as usize].values
    }

    /// Does it stand for one thing? Not for several, those over the limit of its set, nor for what says of no dimension whose it is.
    pub(super) fn is_somebody(&self, id: SeriesId) -> bool {
        let values = self.values(id);
        values.iter().all(|value| **value != *OTHER) && (values.is_empty() || values.iter().any(|value| !value.is_empty()))
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.text_bytes + self.series.capacity() * size_of::<Series>() + self.free.capacity() * 4 + self.by_key.capacity() * 5
    }
}

/// As budgets and alerts name a series.
pub(super) fn name_of(set: &GroupingSet, values: &[Box<str>]) -> String {
    scope_text(set.key.iter().copied().zip(values.iter().map(|value| &**value)))
}

fn text_bytes(values: &[Box<str>]) -> usize {
    values.iter().map(|value| value.len() + size_of::<Box<str>>()).sum()
}

/// Of a number as small and dense as a series' is.
#[inline]
pub(super) fn hash_of(id: SeriesId) -> u64 {
    let product = (u64::from(id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The table takes its position from the low bits and its tag from the high ones.
    product ^ (product >> 32)
}

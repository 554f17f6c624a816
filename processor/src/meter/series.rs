//! Which series of which grouping sets an event belongs to.

use hashbrown::HashTable;
use schemas::grouping::{MAX_KEY, OTHER};
use schemas::{Dimension, Event, GroupingSet};
use xxhash_rust::xxh3::{Xxh3Builder, xxh3_64};

use super::interner::Interner;
use crate::prefetch::Prefetches;

/// Number of a series within one meter; never leaves the process.
pub(super) type SeriesId = u32;

const NONE: u32 = u32::MAX;

/// A series that an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its grouping set.
    pub(super) set: u16,
    pub(super) series: SeriesId,
}

/// An event's values as numbers, by dimension; 0 for those that no set uses.
pub(super) type ValueIds = [u32; Dimension::COUNT];

/// Texts of a dimension and series of a set from which on they are fetched ahead: fewer stay in the caches by themselves.
const MANY: usize = 1024;

/// One series: a grouping set and its values.
#[derive(Clone, Copy, Debug)]
struct Series {
    set: u16,
    values: [u32; MAX_KEY],
    /// The partition of the partials topic that it hashes to.
    shard: u32,
}

/// All series that a meter knows. Rebuilt from the live ones when too many are dead.
#[derive(Debug)]
pub(super) struct SeriesIndex {
    sets: Vec<SetIndex>,
    /// One interner per dimension that some set uses.
    texts: Vec<Interner>,
    series: Vec<Series>,
    shards: u32,
    /// Dimensions whose values have to be numbered for every event.
    used: Vec<Dimension>,
}

/// How a set's series are found.
#[derive(Debug)]
struct SetIndex {
    set: GroupingSet,
    /// Key of at most one dimension: series by value number.
    by_value: Vec<SeriesId>,
    /// Longer keys.
    by_key: HashTable<SeriesId>,
    other: SeriesId,
}

impl SetIndex {
    /// Does the event pass the set's filter?
    #[inline]
    fn takes(&self, event: &Event<'_>) -> bool {
        let passes = |(dimension, values): &(Dimension, Vec<String>)| values.iter().any(|value| value == event.dimension(*dimension));
        self.set.filter.iter().all(passes)
    }

    /// The values of the set's key among those of all dimensions.
    #[inline]
    fn values(&self, ids: &ValueIds) -> [u32; MAX_KEY] {
        let mut values = [NONE; MAX_KEY];
        for (value, dimension) in values.iter_mut().zip(&self.set.key) {
            *value = ids[*dimension as usize];
        }
        values
    }
}

impl SeriesIndex {
    pub(super) fn new(sets: &[GroupingSet], shards: u32) -> Self {
        let mut used: Vec<Dimension> = sets.iter().flat_map(|set| set.key.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        let sets =
            sets.iter().map(|set| SetIndex { set: set.clone(), by_value: Vec::new(), by_key: HashTable::new(), other: NONE }).collect();
        SeriesIndex { sets, texts: (0..Dimension::COUNT).map(|_| Interner::default()).collect(), series: Vec::new(), shards, used }
    }

    /// An empty index over the same sets.
    pub(super) fn emptied(&self) -> Self {
        let sets: Vec<GroupingSet> = self.sets.iter().map(|index| index.set.clone()).collect();
        SeriesIndex::new(&sets, self.shards)
    }

    pub(super) fn set_named(&self, name: &str) -> Option<usize> {
        self.sets.iter().position(|index| index.set.name == name)
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let tables: usize = self.sets.iter().map(|index| index.by_value.capacity() * 4 + index.by_key.capacity() * 5).sum();
        self.texts.iter().map(Interner::bytes).sum::<usize>() + self.series.capacity() * size_of::<Series>() + tables
    }

    /// Puts the event's series into `out`, one per set that takes the event.
    #[inline]
    pub(super) fn of_event(&mut self, event: &Event<'_>, out: &mut Vec<Member>) {
        out.clear();
        let mut ids = [0; Dimension::COUNT];
        for dimension in &self.used {
            ids[*dimension as usize] = self.texts[*dimension as usize].intern(event.dimension(*dimension));
        }
        for set in 0..self.sets.len() {
            if self.sets[set].takes(event) {
                let series = self.find(&self.sets[set], &ids);
                let series = series.unwrap_or_else(|| self.add(set, self.sets[set].values(&ids)));
                out.push(Member { set: set as u16, series });
            }
        }
    }

    /// The numbers of the event's values; `None` when one was never seen.
    #[inline]
    pub(super) fn ids_of(&self, event: &Event<'_>) -> Option<ValueIds> {
        let mut ids = [0; Dimension::COUNT];
        for dimension in &self.used {
            ids[*dimension as usize] = self.texts[*dimension as usize].find(event.dimension(*dimension))?;
        }
        Some(ids)
    }

    /// Appends what [`SeriesIndex::of_event`] would give, if all of the event's series are known already; else nothing. Says which.
    #[inline]
    pub(super) fn find_event(&self, event: &Event<'_>, ids: &ValueIds, out: &mut Vec<Member>) -> bool {
        let before = out.len();
        for (number, set) in self.sets.iter().enumerate() {
            if set.takes(event) {
                let Some(series) = self.find(set, ids) else {
                    out.truncate(before);
                    return false;
                };
                out.push(Member { set: number as u16, series });
            }
        }
        true
    }

    /// Adds what finding the numbers of the event's values needs.
    #[inline]
    pub(super) fn prefetch_texts(&self, event: &Event<'_>, into: &mut Prefetches) {
        for dimension in &self.used {
            let texts = &self.texts[*dimension as usize];
            if texts.len() > MANY {
                texts.prefetch(event.dimension(*dimension), into);
            }
        }
    }

    /// Adds what finding the series of these values needs.
    #[inline]
    pub(super) fn prefetch_series(&self, ids: &ValueIds, into: &mut Prefetches) {
        for index in self.sets.iter().filter(|index| index.by_value.len() > MANY) {
            if let [dimension] = index.set.key[..]
                && let Some(series) = index.by_value.get(ids[dimension as usize] as usize)
            {
                into.add(series);
            }
        }
    }

    /// Adds what finding the numbers of these values needs.
    #[inline]
    pub(super) fn prefetch_values(&self, set: usize, values: &[&str], into: &mut Prefetches) {
        for (dimension, value) in self.sets[set].set.key.iter().zip(values) {
            self.texts[*dimension as usize].prefetch(value, into);
        }
    }

    /// The series of `set` with these values, given as text.
    pub(super) fn of_texts<'v>(&mut self, set: usize, texts: impl Iterator<Item = &'v str>) -> SeriesId {
        let mut values = [NONE; MAX_KEY];
        for (position, text) in texts.enumerate().take(MAX_KEY) {
            if let Some(dimension) = self.sets[set].set.key.get(position) {
                values[position] = self.texts[*dimension as usize].intern(text);
            }
        }
        self.find_or_add(set, values)
    }

    /// The series that stands for all values over the set's limit.
    pub(super) fn other(&mut self, set: usize) -> SeriesId {
        if self.sets[set].other == NONE {
            let length = self.sets[set].set.key.len();
            self.sets[set].other = self.of_texts(set, std::iter::repeat_n(OTHER, length));
        }
        self.sets[set].other
    }

    #[inline]
    fn find(&self, index: &SetIndex, ids: &ValueIds) -> Option<SeriesId> {
        let slot = match index.set.key[..] {
            [] => 0,
            [dimension] => ids[dimension as usize] as usize,
            _ => {
                let values = index.values(ids);
                return index.by_key.find(hash_of(&index.set, &values), |id| self.series[*id as usize].values == values).copied();
            }
        };
        index.by_value.get(slot).copied().filter(|id| *id != NONE)
    }

    fn find_or_add(&mut self, set: usize, values: [u32; MAX_KEY]) -> SeriesId {
        let index = &self.sets[set];
        let mut ids = [0; Dimension::COUNT];
        for (value, dimension) in values.iter().zip(&index.set.key) {
            ids[*dimension as usize] = *value;
        }
        self.find(index, &ids).unwrap_or_else(|| self.add(set, values))
    }

    #[cold]
    fn add(&mut self, set: usize, values: [u32; MAX_KEY]) -> SeriesId {
        let id = self.number(set, values);
        let (index, series) = (&mut self.sets[set], &self.series);
        if index.set.key.len() <= 1 {
            let slot = if index.set.key.is_empty() { 0 } else { values[0] as usize };
            index.by_value.resize(index.by_value.len().max(slot + 1), NONE);
            index.by_value[slot] = id;
        } else {
            let set = &index.set;
            index.by_key.insert_unique(hash_of(set, &values), id, |id| hash_of(set, &series[*id as usize].values));
        }
        id
    }

    fn number(&mut self, set: usize, values: [u32; MAX_KEY]) -> SeriesId {
        let id = u32::try_from(self.series.len()).unwrap_or(NONE);
        let mut series = Series { set: set as u16, values, shard: 0 };
        let index = &self.sets[set].set;
        series.shard = shard_of(&index.name, index.key.iter().zip(values).map(|(d, v)| self.texts[*d as usize].text(v)), self.shards);
        self.series.push(series);
        id
    }

    pub(super) fn shard(&self, id: SeriesId) -> usize {
        self.series[id as usize].shard as usize
    }

    pub(super) fn set_of(&self, id: SeriesId) -> usize {
        self.series[id as usize].set as usize
    }

    pub(super) fn set_name(&self, id: SeriesId) -> &str {
        &self.sets[self.set_of(id)].set.name
    }

    /// The values' texts, in the order of the set's key.
    pub(super) fn values(&self, id: SeriesId) -> impl ExactSizeIterator<Item = &str> {
        let series = &self.series[id as usize];
        let key = &self.sets[series.set as usize].set.key;
        key.iter().enumerate().map(move |(position, d)| self.texts[*d as usize].text(series.values[position]))
    }
}

/// Of the values that the set has: the others are all the same.
#[inline]
fn hash_of(set: &GroupingSet, values: &[u32; MAX_KEY]) -> u64 {
    hash_key(&values[..set.key.len().min(MAX_KEY)])
}

pub(super) fn hash_key(values: &[u32]) -> u64 {
    values.iter().fold(0, |hash: u64, value| (hash.rotate_left(5) ^ u64::from(*value)).wrapping_mul(0x517c_c1b7_2722_0a95))
}

/// The partition of the partials topic to which a series belongs. A function of its name and values, stable across versions:
/// changing it moves series between monitors.
pub fn shard_of<'v>(set: &str, values: impl Iterator<Item = &'v str>, shards: u32) -> u32 {
    let mut hasher = Xxh3Builder::new().build();
    hasher.update(set.as_bytes());
    for value in values {
        hasher.update(&[0xff]);
        hasher.update(value.as_bytes());
    }
    // A second round spreads the high bits well before the remainder is taken.
    (xxh3_64(&hasher.digest().to_le_bytes()) % u64::from(shards.max(1))) as u32
}

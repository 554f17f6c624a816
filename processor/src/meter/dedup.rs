//! Which events were counted before: a fingerprint of the identity, and enough of the meaning to tell a repeat from a conflict.
//!
//! The identities counted last stand in a table in memory. When there are many, the next snapshot *seals* the table: everything in it goes
//! into a sorted run (see [`schemas::identity_run`]), of which only a directory stays in memory, and a filter over all runs. Until that run lasts, the sealed table is still
//! looked up in. What a look-up answers is a function of the log; when tables are sealed is not, and changes nothing.

use schemas::identity_run::{ENTRY_BYTES, Identity, IdentityRun, ReadError, Segment};
use schemas::timestamp::DAY_US;
use schemas::{Timestamp, huge_pages};

use super::run_filter::RunFilter;
use crate::prefetch::Prefetches;

/// The table may grow to so many times what seals it while the store is away; then the partition waits.
const MOST_UNSEALED: usize = 4;

/// Entries of a segment whose places are fetched at the same time.
const RESTORED_TOGETHER: usize = 64;

/// Entries fetched ahead: two cache lines at most.
const PROBED: usize = 3;

/// An entry by its words: low, high, value. No entry is ever all zeros, because a fingerprint is not (and one that were would be
/// kept as 1).
type Slot = [u64; 3];

const fn slot_of(entry: &Identity) -> Slot {
    [entry.low, entry.high, entry.value]
}

const fn identity_in(slot: &Slot) -> Identity {
    Identity { low: slot[0], high: slot[1], value: slot[2] }
}

/// An open-addressing table with linear probing: a look-up costs one cache line. At most three quarters full. While it doubles the fold
/// stands still, 20 to 50 ms for a million entries; it doubles as far as that only once, before it is first sealed.
#[derive(Debug, Default)]
struct Table {
    /// A power of two, or none yet.
    slots: Vec<Slot>,
    len: usize,
}

impl Table {
    /// An empty one with room for so many: growing step by step would place every entry twice.
    fn with_room(entries: usize) -> Self {
        Table { slots: huge_pages::zeros(size_for(entries)), len: 0 }
    }

    /// Where the entry of a fingerprint is, or is to be put. There must be room.
    #[inline]
    fn place_of(&self, low: u64, high: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = low as usize & mask;
        while self.slots[at][0] != 0 && !(self.slots[at][0] == low && self.slots[at][1] == high) {
            at = (at + 1) & mask;
        }
        at
    }

    #[inline]
    fn find(&self, low: u64, high: u64) -> Option<Identity> {
        if self.len == 0 {
            return None;
        }
        let slot = &self.slots[self.place_of(low, high)];
        (slot[0] != 0).then(|| identity_in(slot))
    }

    /// Adds what finding the place of an entry needs.
    #[inline]
    fn prefetch(&self, low: u64, into: &mut Prefetches) {
        let at = low as usize & self.slots.len().wrapping_sub(1);
        // The probe seldom goes further than this.
        if let Some(slots) = self.slots.get(at..at + PROBED).and_then(<[Slot]>::first_chunk::<PROBED>) {
            into.add(slots);
        }
    }

    /// Makes room for so many more.
    fn reserve(&mut self, more: usize) {
        let size = size_for(self.len + more);
        if size > self.slots.len() {
            self.rebuild(size, |_| true);
        }
    }

    /// Puts an entry in the place of the one with its fingerprint, or adds it.
    fn put(&mut self, entry: Identity) {
        if self.slots.len() * 3 <= self.len * 4 {
            self.rebuild((self.slots.len() * 2).max(16), |_| true);
        }
        let at = self.place_of(entry.low, entry.high);
        self.len += usize::from(self.slots[at][0] == 0);
        self.slots[at] = slot_of(&entry);
    }

    fn iter(&self) -> impl Iterator<Item = Identity> {
        self.slots.iter().filter(|slot| slot[0] != 0).map(identity_in)
    }

    fn retain(&mut self, keep: impl Fn(&Identity) -> bool) {
        let kept = self.iter().filter(&keep).count();
        if kept < self.len {
            self.rebuild(size_for(kept), keep);
        }
    }

    fn rebuild(&mut self, size: usize, keep: impl Fn(&Identity) -> bool) {
        let old = std::mem::replace(self, Table { slots: huge_pages::zeros(size), len: 0 });
        old.iter().filter(keep).for_each(|entry| self.put(entry));
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}

/// Slots of a table that is at most three quarters full with so many entries.
fn size_for(entries: usize) -> usize {
    (entries * 4 / 3 + 1).next_power_of_two().max(16)
}

/// What the events counted so far say about an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Not counted within the horizon.
    New,
    /// Counted with the same meaning.
    Same,
    /// Counted with another meaning.
    Other,
}

/// The identities counted within the horizon.
#[derive(Debug)]
pub(super) struct Dedup {
    recent: Table,
    /// On its way into a run.
    sealed: Table,
    /// Oldest first.
    runs: Vec<IdentityRun>,
    /// Entries of the runs.
    in_runs: usize,
    /// Of everything in runs and in memory, as soon as there are runs.
    filter: RunFilter,
    /// So many in memory are sealed.
    seal_at: usize,
    /// Days after which an entry no longer counts.
    horizon_days: i64,
    /// Entries since the last segment, as they stand in one.
    appended: Vec<u8>,
    /// Latest event day among these.
    appended_day: i64,
    swept_day: i64,
    /// How many entries of runs were read.
    reads: u64,
}

fn day_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(DAY_US)
}

impl Dedup {
    /// Empty. An entry counts until the watermark is `horizon` and a day beyond its event time.
    pub(super) fn new(horizon_us: i64) -> Self {
        Dedup {
            recent: Table::default(),
            sealed: Table::default(),
            runs: Vec::new(),
            in_runs: 0,
            filter: RunFilter::default(),
            seal_at: usize::MAX,
            horizon_days: horizon_us / DAY_US + 1,
            appended: Vec::new(),
            appended_day: 0,
            swept_day: i64::MIN,
            reads: 0,
        }
    }

    /// How many in memory are sealed; at first none ever is.
    pub(super) fn seal_at(&mut self, identities: usize) {
        self.seal_at = identities.max(1);
    }

    /// Identities held, in memory and in runs.
    pub(super) fn len(&self) -> usize {
        self.in_memory() + self.in_runs
    }

    /// Those in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.recent.len + self.sealed.len
    }

    /// Bytes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let directories = self.runs.iter().map(|run| run.directory().bytes()).sum::<usize>();
        self.recent.bytes() + self.sealed.bytes() + self.appended.capacity() + directories + self.filter.bytes()
    }

    /// How many entries of runs were read so far.
    pub(super) fn reads(&self) -> u64 {
        self.reads
    }

    /// Days after which an identity no longer counts.
    pub(super) fn horizon_days(&self) -> i64 {
        self.horizon_days
    }

    /// Was this identity counted? `watermark` decides, not the moment of the last sweep, so that the answer is a function of
    /// the log.
    ///
    /// # Errors
    /// A run cannot be read.
    #[inline]
    pub(super) fn look_up(&mut self, fingerprint: u128, meaning: u64, watermark: Timestamp) -> Result<Seen, ReadError> {
        let (low, high) = halves(fingerprint);
        let in_memory = self.recent.find(low, high).or_else(|| self.sealed.find(low, high));
        let found = match in_memory {
            None if self.filter.may_hold(low, high) => self.find_in_runs(low, high)?,
            found => found,
        };
        Ok(match found {
            Some(entry) if entry.counts(day_of(watermark), self.horizon_days) => {
                if entry.value >> 16 == meaning >> 16 {
                    Seen::Same
                } else {
                    Seen::Other
                }
            }
            _ => Seen::New,
        })
    }

    /// The newest one counts: an identity that had been forgotten may have been counted again.
    fn find_in_runs(&mut self, low: u64, high: u64) -> Result<Option<Identity>, ReadError> {
        for run in self.runs.iter().rev() {
            if let Some(found) = run.find(low, high, &mut self.reads)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Adds what a look-up needs.
    #[inline]
    pub(super) fn prefetch(&self, fingerprint: u128, into: &mut Prefetches) {
        let (low, high) = halves(fingerprint);
        self.recent.prefetch(low, into);
        self.filter.line(low, high).into_iter().for_each(|line| into.add(line));
    }

    /// Takes the identity of an event that is counted now.
    #[inline]
    pub(super) fn insert(&mut self, fingerprint: u128, meaning: u64, occurred_at: Timestamp) {
        let day = day_of(occurred_at);
        let (low, high) = halves(fingerprint);
        let entry = Identity { low, high, value: (meaning >> 16 << 16) | u64::from(day as u16) };
        self.appended.extend_from_slice(&entry.to_bytes());
        self.appended_day = self.appended_day.max(day);
        self.recent.put(entry);
        self.filter.insert(low, high);
    }

    /// Frees entries that no longer count; does its work once per day of event time.
    pub(super) fn sweep(&mut self, watermark: Timestamp) {
        let today = day_of(watermark);
        if today <= self.swept_day {
            return;
        }
        self.swept_day = today;
        let horizon_days = self.horizon_days;
        for table in [&mut self.recent, &mut self.sealed] {
            table.retain(|entry| entry.counts(today, horizon_days));
        }
    }

    /// Are there so many in memory that the next segment will seal them?
    pub(super) fn wants_sealing(&self) -> bool {
        self.recent.len >= self.seal_at && self.sealed.len == 0
    }

    /// Are there so many in memory that no event can be taken before they are sealed?
    pub(super) fn is_full(&self) -> bool {
        self.recent.len >= self.seal_at.saturating_mul(MOST_UNSEALED)
    }

    /// For a snapshot: the entries since the last call, or, when there are many in memory, all of these; what is sealed here is to be
    /// given back as a run, with [`Dedup::stored`], before the next call.
    pub(super) fn take_segment(&mut self, watermark: Timestamp) -> Segment {
        let appended = std::mem::take(&mut self.appended);
        let appended_day = std::mem::take(&mut self.appended_day);
        if !self.wants_sealing() {
            return Segment { bytes: appended, expires_day: appended_day + self.horizon_days, is_sealed: false };
        }
        // As many will come again.
        self.sealed = std::mem::replace(&mut self.recent, Table::with_room(self.seal_at));
        let mut bytes = Vec::with_capacity(self.sealed.len * ENTRY_BYTES);
        let (today, horizon_days) = (day_of(watermark), self.horizon_days);
        let mut expires_day = today;
        for entry in self.sealed.iter().filter(|entry| entry.counts(today, horizon_days)) {
            expires_day = expires_day.max(entry.day(today) + horizon_days);
            bytes.extend_from_slice(&entry.to_bytes());
        }
        Segment { bytes, expires_day, is_sealed: true }
    }

    /// What was taken last is now stored, what was sealed among these runs, oldest first.
    pub(super) fn stored(&mut self, runs: Vec<IdentityRun>) {
        self.in_runs = runs.iter().map(|run| run.directory().entries() as usize).sum();
        self.runs = runs;
        if self.sealed.len > 0 {
            self.sealed = Table::default();
        }
        if !self.filter.is_good_for(self.len()) {
            // The former one first gives its memory back.
            self.filter = RunFilter::default();
            self.filter = RunFilter::of(self.len(), self.runs.iter().map(IdentityRun::directory), self.recent.iter());
        }
    }

    /// Puts a segment's entries back, in the order in which they were written.
    pub(super) fn restore(&mut self, segment: &[u8]) {
        self.recent.reserve(segment.len() / ENTRY_BYTES);
        let mut ahead = Prefetches::default();
        for group in segment.chunks(RESTORED_TOGETHER * ENTRY_BYTES) {
            Identity::all_of(group).for_each(|entry| self.recent.prefetch(entry.low, &mut ahead));
            ahead.begin();
            for entry in Identity::all_of(group) {
                self.recent.put(entry);
                self.filter.insert(entry.low, entry.high);
            }
        }
    }
}

/// No lower half is 0, which marks an empty slot.
fn halves(fingerprint: u128) -> (u64, u64) {
    ((fingerprint as u64).max(1), (fingerprint >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schemas::identity_run::{ReadRun, RunWriter};

    use super::*;

    const DAY: Timestamp = Timestamp::from_micros(20_000 * DAY_US);
    const HORIZON: i64 = 35 * DAY_US;

    fn look_up(dedup: &mut Dedup, fingerprint: u128, meaning: u64, watermark: Timestamp) -> Seen {
        dedup.look_up(fingerprint, meaning, watermark).unwrap()
    }

    #[test]
    fn a_repeat_is_the_same_and_a_change_is_another() {
        let mut dedup = Dedup::new(HORIZON);
        assert_eq!(look_up(&mut dedup, 7, 1 << 20, DAY), Seen::New);
        dedup.insert(7, 1 << 20, DAY);
        assert_eq!(look_up(&mut dedup, 7, 1 << 20, DAY), Seen::Same);
        assert_eq!(look_up(&mut dedup, 7, 2 << 20, DAY), Seen::Other);
        assert_eq!(look_up(&mut dedup, 8, 1 << 20, DAY), Seen::New);
        dedup.insert(0, 1 << 20, DAY);
        assert_eq!(look_up(&mut dedup, 0, 1 << 20, DAY), Seen::Same);
    }

    #[test]
    fn an_entry_counts_for_the_horizon_whether_swept_or_not() {
        let mut dedup = Dedup::new(HORIZON);
        dedup.insert(7, 0, DAY);
        let last = DAY.plus(36 * DAY_US);
        assert_eq!(look_up(&mut dedup, 7, 0, last), Seen::Same);
        assert_eq!(look_up(&mut dedup, 7, 0, last.plus(DAY_US)), Seen::New);
        dedup.sweep(last);
        assert_eq!(dedup.len(), 1);
        dedup.sweep(last.plus(DAY_US));
        assert_eq!(dedup.len(), 0);
    }

    fn mixed(id: u128) -> u128 {
        id.wrapping_mul(0x1234_5678_9abc_def0_1234_5678_9abc_def1)
    }

    #[test]
    fn segments_bring_everything_back() {
        let mut dedup = Dedup::new(HORIZON);
        for id in 0..10_000 {
            dedup.insert(mixed(id), 5 << 16, DAY);
        }
        let segment = dedup.take_segment(DAY);
        assert_eq!((segment.bytes.len(), segment.expires_day, segment.is_sealed), (10_000 * ENTRY_BYTES, 20_036, false));
        let mut restored = Dedup::new(HORIZON);
        restored.restore(&segment.bytes);
        assert_eq!(restored.len(), 10_000);
        assert_eq!(look_up(&mut restored, mixed(1), 5 << 16, DAY), Seen::Same);
        assert!(dedup.take_segment(DAY).bytes.is_empty());
    }

    /// A run of a sealed segment, in memory.
    fn run_of(segment: &Segment) -> IdentityRun {
        #[derive(Debug)]
        struct InMemory(Vec<Identity>);
        impl ReadRun for InMemory {
            fn read(&self, entry: u64) -> Result<[u8; ENTRY_BYTES], ReadError> {
                Ok(self.0[entry as usize].to_bytes())
            }
        }
        assert!(segment.is_sealed);
        let mut entries: Vec<Identity> = Identity::all_of(&segment.bytes).collect();
        entries.sort_unstable_by_key(Identity::key);
        let mut writer = RunWriter::new(entries.len() as u64);
        entries.iter().for_each(|entry| writer.push(entry));
        IdentityRun::new(Arc::new(writer.finish().directory), Arc::new(InMemory(entries)))
    }

    #[test]
    fn what_is_sealed_is_seen_before_and_after_it_is_stored_and_memory_is_given_back() {
        let mut dedup = Dedup::new(HORIZON);
        dedup.seal_at(1000);
        for id in 0..1500 {
            dedup.insert(mixed(id), (id as u64) << 16, DAY);
        }
        assert!(dedup.wants_sealing() && !dedup.is_full());
        let segment = dedup.take_segment(DAY);
        assert_eq!((segment.bytes.len(), segment.expires_day), (1500 * ENTRY_BYTES, 20_036));
        for id in 1500..1600 {
            dedup.insert(mixed(id), (id as u64) << 16, DAY);
        }
        let see_all = |dedup: &mut Dedup| {
            for id in 0..1600 {
                assert_eq!(look_up(dedup, mixed(id), (id as u64) << 16, DAY), Seen::Same);
                assert_eq!(look_up(dedup, mixed(id), (id as u64 + 1) << 16, DAY), Seen::Other);
            }
            for id in 1600..3200 {
                assert_eq!(look_up(dedup, mixed(id), (id as u64) << 16, DAY), Seen::New);
            }
        };
        see_all(&mut dedup);
        dedup.stored(vec![run_of(&segment)]);
        assert_eq!((dedup.in_memory(), dedup.len()), (100, 1600));
        see_all(&mut dedup);
        assert!((3000..3050).contains(&dedup.reads()), "{}", dedup.reads());
        assert_eq!(dedup.take_segment(DAY).bytes.len(), 100 * ENTRY_BYTES);
    }

    /// Sealed again and again, merged into one run every fourth time, and with events counted while a run is stored.
    #[test]
    fn every_identity_is_seen_however_many_runs_and_restarts_there_were() {
        let mut dedup = Dedup::new(HORIZON);
        dedup.seal_at(200);
        let (mut counted, mut sealed, mut runs) = (0, Vec::new(), Vec::new());
        for round in 0..40 {
            let insert_some = |dedup: &mut Dedup, counted: &mut u128| {
                for id in *counted..*counted + 100 {
                    assert_eq!(look_up(dedup, mixed(id), 5 << 16, DAY), Seen::New, "{id} in round {round}");
                    dedup.insert(mixed(id), 5 << 16, DAY);
                }
                *counted += 100;
            };
            insert_some(&mut dedup, &mut counted);
            insert_some(&mut dedup, &mut counted);
            let segment = dedup.take_segment(DAY);
            insert_some(&mut dedup, &mut counted);
            sealed.extend_from_slice(&segment.bytes);
            runs.push(run_of(&segment));
            if round % 4 == 3 {
                runs = vec![run_of(&Segment { bytes: sealed.clone(), ..segment })];
            }
            dedup.stored(runs.clone());
            if round % 10 == 9 {
                let in_memory = dedup.recent.iter().flat_map(|entry| entry.to_bytes()).collect::<Vec<u8>>();
                dedup = Dedup::new(HORIZON);
                dedup.seal_at(200);
                dedup.restore(&in_memory);
                dedup.stored(runs.clone());
            }
            for id in 0..counted {
                assert_eq!(look_up(&mut dedup, mixed(id), 5 << 16, DAY), Seen::Same, "{id} in round {round}");
            }
        }
    }

    #[test]
    fn an_identity_that_was_forgotten_and_counted_again_is_seen_as_it_was_counted_last() {
        let mut dedup = Dedup::new(HORIZON);
        dedup.seal_at(1);
        let again = DAY.plus(40 * DAY_US);
        dedup.insert(7, 1 << 16, DAY);
        let first = run_of(&dedup.take_segment(DAY));
        dedup.stored(vec![first.clone()]);
        assert_eq!(look_up(&mut dedup, 7, 1 << 16, again), Seen::New);
        dedup.insert(7, 2 << 16, again);
        assert_eq!(look_up(&mut dedup, 7, 2 << 16, again), Seen::Same);
        let second = run_of(&dedup.take_segment(again));
        dedup.stored(vec![first, second]);
        assert_eq!(look_up(&mut dedup, 7, 2 << 16, again), Seen::Same);
        assert_eq!(look_up(&mut dedup, 7, 1 << 16, again), Seen::Other);
    }

    #[test]
    fn a_table_that_is_not_sealed_for_long_is_full() {
        let mut dedup = Dedup::new(HORIZON);
        dedup.seal_at(10);
        for id in 0..50 {
            assert_eq!(dedup.is_full(), id >= 40, "{id}");
            dedup.insert(mixed(id), 0, DAY);
        }
    }
}

//! Which events were counted before: a fingerprint of the identity, and enough of the meaning to tell a repeat from a conflict.

use schemas::Timestamp;
use schemas::timestamp::DAY_US;

use crate::prefetch::Prefetches;

/// Bytes of an entry in a snapshot segment.
pub(super) const ENTRY_BYTES: usize = 24;

/// Many small tables, so that growing one never stops the fold for long.
const SHARDS: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Entry {
    low: u64,
    high: u64,
    /// 48 bits of the meaning's hash above the event's day number (16 bits).
    value: u64,
}

/// An open-addressing table with linear probing: a look-up costs one cache line. No entry is ever all zeros, because a
/// fingerprint is not (and one that were would be kept as 1).
#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Entry>,
    used: usize,
}

/// Entries fetched ahead: two cache lines at most.
const PROBED: usize = 3;

const EMPTY: Entry = Entry { low: 0, high: 0, value: 0 };

impl Slots {
    fn find(&self, low: u64, high: u64) -> Option<&Entry> {
        let low = low.max(1);
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = low as usize & mask;
        loop {
            let entry = self.slots.get(at)?;
            if entry.low == low && entry.high == high {
                return Some(entry);
            }
            if entry.low == 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts an entry in the place of the one with its fingerprint, or adds it. Was it added?
    fn put(&mut self, entry: Entry) -> bool {
        let entry = Entry { low: entry.low.max(1), ..entry };
        // At most three quarters full.
        if self.slots.len() * 3 <= self.used * 4 {
            let larger = (self.slots.len() * 2).max(16);
            self.rebuild(larger, |_| true);
        }
        let mask = self.slots.len() - 1;
        let mut at = entry.low as usize & mask;
        while self.slots[at].low != 0 {
            if self.slots[at].low == entry.low && self.slots[at].high == entry.high {
                self.slots[at] = entry;
                return false;
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = entry;
        self.used += 1;
        true
    }

    fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let kept = self.slots.iter().filter(|entry| entry.low != 0 && keep(entry)).count();
        if kept < self.used {
            self.rebuild((kept * 4 / 3 + 1).next_power_of_two().max(16), keep);
        }
    }

    fn rebuild(&mut self, size: usize, keep: impl Fn(&Entry) -> bool) {
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; size]);
        self.used = 0;
        for entry in old.into_iter().filter(|entry| entry.low != 0 && keep(entry)) {
            let mask = size - 1;
            let mut at = entry.low as usize & mask;
            while self.slots[at].low != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = entry;
            self.used += 1;
        }
    }
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
    shards: Vec<Slots>,
    /// Days after which an entry no longer counts.
    horizon_days: i64,
    len: usize,
    /// Entries since the last snapshot, as they stand in a segment.
    appended: Vec<u8>,
    /// Latest event day among them.
    appended_day: i64,
    swept_day: i64,
}

fn day_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(DAY_US)
}

impl Dedup {
    /// Empty. An entry counts until the watermark is `horizon` and a day beyond its event time.
    pub(super) fn new(horizon_us: i64) -> Self {
        let shards = (0..SHARDS).map(|_| Slots::default()).collect();
        Dedup { shards, horizon_days: horizon_us / DAY_US + 1, len: 0, appended: Vec::new(), appended_day: 0, swept_day: i64::MIN }
    }

    /// Entries held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.slots.capacity() * size_of::<Entry>()).sum::<usize>() + self.appended.capacity()
    }

    /// Was this identity counted? `watermark` decides, not the moment of the last sweep, so that the answer is a function of
    /// the log.
    #[inline]
    pub(super) fn look_up(&self, fingerprint: u128, meaning: u64, watermark: Timestamp) -> Seen {
        let (low, high) = (fingerprint as u64, (fingerprint >> 64) as u64);
        match self.shards[shard(high)].find(low, high) {
            Some(entry) if self.counts(entry, day_of(watermark)) => {
                if entry.value >> 16 == meaning >> 16 {
                    Seen::Same
                } else {
                    Seen::Other
                }
            }
            _ => Seen::New,
        }
    }

    /// Adds what a look-up needs.
    #[inline]
    pub(super) fn prefetch(&self, fingerprint: u128, into: &mut Prefetches) {
        let (low, high) = (fingerprint as u64, (fingerprint >> 64) as u64);
        let slots = &self.shards[shard(high)].slots;
        let at = low as usize & slots.len().wrapping_sub(1);
        // The probe seldom goes further than this.
        if let Some(entries) = slots.get(at..at + PROBED).and_then(<[Entry]>::first_chunk::<PROBED>) {
            into.add(entries);
        }
    }

    /// Takes the identity of an event that is counted now.
    #[inline]
    pub(super) fn insert(&mut self, fingerprint: u128, meaning: u64, occurred_at: Timestamp) {
        let day = day_of(occurred_at);
        let entry =
            Entry { low: fingerprint as u64, high: (fingerprint >> 64) as u64, value: (meaning >> 16 << 16) | u64::from(day as u16) };
        let mut bytes = [0; ENTRY_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip([entry.low, entry.high, entry.value]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.appended.extend_from_slice(&bytes);
        self.appended_day = self.appended_day.max(day);
        self.put(entry);
    }

    fn put(&mut self, entry: Entry) {
        self.len += usize::from(self.shards[shard(entry.high)].put(entry));
    }

    fn counts(&self, entry: &Entry, watermark_day: i64) -> bool {
        // 16 bits of the day number are enough: days further apart than 32,768 do not meet within a horizon.
        let age = (watermark_day as u16).wrapping_sub(entry.value as u16).cast_signed();
        i64::from(age) <= self.horizon_days
    }

    /// Frees entries that no longer count; does its work once per day of event time.
    pub(super) fn sweep(&mut self, watermark: Timestamp) {
        let today = day_of(watermark);
        if today <= self.swept_day {
            return;
        }
        self.swept_day = today;
        let horizon_days = self.horizon_days;
        for table in &mut self.shards {
            table.retain(|entry| i64::from((today as u16).wrapping_sub(entry.value as u16).cast_signed()) <= horizon_days);
        }
        self.len = self.shards.iter().map(|shard| shard.used).sum();
    }

    /// The entries since the last call, for an immutable segment of the snapshot, and the event day after which the
    /// segment can be dropped.
    pub(super) fn take_appended(&mut self) -> (Vec<u8>, i64) {
        let expires = self.appended_day + self.horizon_days;
        self.appended_day = 0;
        (std::mem::take(&mut self.appended), expires)
    }

    /// Puts a segment's entries back, in the order in which they were written.
    pub(super) fn restore(&mut self, segment: &[u8]) {
        for entry in segment.chunks_exact(ENTRY_BYTES) {
            let word = |at: usize| entry[at..at + 8].iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
            self.put(Entry { low: word(0), high: word(8), value: word(16) });
        }
    }
}

fn shard(high: u64) -> usize {
    (high >> 56) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Timestamp = Timestamp::from_micros(20_000 * DAY_US);
    const HORIZON: i64 = 35 * DAY_US;

    #[test]
    fn a_repeat_is_the_same_and_a_change_is_another() {
        let mut dedup = Dedup::new(HORIZON);
        assert_eq!(dedup.look_up(7, 1 << 20, DAY), Seen::New);
        dedup.insert(7, 1 << 20, DAY);
        assert_eq!(dedup.look_up(7, 1 << 20, DAY), Seen::Same);
        assert_eq!(dedup.look_up(7, 2 << 20, DAY), Seen::Other);
        assert_eq!(dedup.look_up(8, 1 << 20, DAY), Seen::New);
        dedup.insert(0, 1 << 20, DAY);
        assert_eq!(dedup.look_up(0, 1 << 20, DAY), Seen::Same);
    }

    #[test]
    fn an_entry_counts_for_the_horizon_whether_swept_or_not() {
        let mut dedup = Dedup::new(HORIZON);
        dedup.insert(7, 0, DAY);
        let last = DAY.plus(36 * DAY_US);
        assert_eq!(dedup.look_up(7, 0, last), Seen::Same);
        assert_eq!(dedup.look_up(7, 0, last.plus(DAY_US)), Seen::New);
        dedup.sweep(last);
        assert_eq!(dedup.len(), 1);
        dedup.sweep(last.plus(DAY_US));
        assert_eq!(dedup.len(), 0);
    }

    #[test]
    fn segments_bring_everything_back() {
        let mut dedup = Dedup::new(HORIZON);
        for id in 0..10_000_u128 {
            dedup.insert(id.wrapping_mul(0x1234_5678_9abc_def0_1234_5678_9abc_def1), 5 << 16, DAY);
        }
        let (segment, expires) = dedup.take_appended();
        assert_eq!((segment.len(), expires), (10_000 * ENTRY_BYTES, 20_036));
        let mut restored = Dedup::new(HORIZON);
        restored.restore(&segment);
        assert_eq!(restored.len(), 10_000);
        assert_eq!(restored.look_up(0x1234_5678_9abc_def0_1234_5678_9abc_def1, 5 << 16, DAY), Seen::Same);
        assert!(dedup.take_appended().0.is_empty());
    }
}

//! Looking ahead over a group of events, so that the memory that their folding needs is on its way when their turns come.
//!
//! With many users nearly every event waits for several places in memory that no cache holds: its identity's slot, its user's number, and
//! its user's cell. One after another these waits cost more than all the work; begun for a group of events at once they overlap. Nothing
//! is changed by looking ahead, and folding takes from it only what no other event can have changed.

use std::ops::Range;

use schemas::{Bucket, Event};

use super::Meter;
use super::series::{Member, SeriesId, ValueIds};
use crate::prefetch::Prefetches;

/// Cells of a table from which on they are fetched ahead: fewer stay in the caches by themselves.
const MANY_CELLS: usize = 2048;

/// What was found out about a group of events before their turns. Its buffers are kept from group to group.
#[derive(Debug, Default)]
pub struct LookAhead {
    found: Vec<Found>,
    members: Vec<Member>,
    /// The numbering that the members' series are of.
    numbering: u64,
    /// Tables and series of cells to fetch.
    wanted: Vec<(usize, SeriesId)>,
    prefetches: Prefetches,
}

#[derive(Debug)]
struct Found {
    fingerprint: u128,
    ids: Option<ValueIds>,
    /// Of `members`; `None` when some series of the event was not known.
    members: Option<Range<usize>>,
}

/// What is known of an event when it is folded.
pub(super) struct Prepared<'a> {
    pub(super) fingerprint: u128,
    /// Its series, if all of them are known.
    pub(super) members: Option<&'a [Member]>,
}

impl Prepared<'_> {
    pub(super) fn fingerprint_alone(fingerprint: u128) -> Self {
        Prepared { fingerprint, members: None }
    }
}

impl LookAhead {
    /// What is known of the `nth` event; `None` when it is not of the group.
    #[inline]
    pub(super) fn prepared(&self, nth: usize, numbering: u64) -> Option<Prepared<'_>> {
        let found = self.found.get(nth)?;
        let members = found.members.clone().filter(|_| numbering == self.numbering);
        Some(Prepared { fingerprint: found.fingerprint, members: members.and_then(|range| self.members.get(range)) })
    }
}

impl Meter {
    /// Looks ahead over the events that will be folded next, which makes their folding faster and nothing else. A group of 8 to 32 is
    /// best: fewer do not hide the waiting, more push each other out of the nearest cache.
    pub fn look_ahead<'e, 'b: 'e>(&mut self, events: impl Iterator<Item = &'e Event<'b>> + Clone, ahead: &mut LookAhead) {
        let LookAhead { found, members, numbering, wanted, prefetches } = ahead;
        found.clear();
        members.clear();
        *numbering = self.numbering;
        for event in events.clone() {
            let fingerprint = event.fingerprint(&mut self.scratch);
            self.dedup.prefetch(fingerprint, prefetches);
            self.index.prefetch_texts(event, prefetches);
            found.push(Found { fingerprint, ids: None, members: None });
        }
        prefetches.begin();
        for (event, found) in events.clone().zip(&mut *found) {
            self.dedup.prefetch_tags(found.fingerprint, prefetches);
            found.ids = self.index.ids_of(event);
            found.ids.iter().for_each(|ids| self.index.prefetch_series(ids, prefetches));
        }
        prefetches.begin();
        wanted.clear();
        for (event, found) in events.zip(found) {
            let before = members.len();
            if found.ids.as_ref().is_some_and(|ids| self.index.find_event(event, ids, members)) {
                found.members = Some(before..members.len());
                self.want_cells(event, &members[before..], wanted);
            }
        }
        wanted.iter().for_each(|(table, series)| self.tables[*table].prefetch_place(*series, prefetches));
        prefetches.begin();
        wanted.iter().for_each(|(table, series)| self.tables[*table].prefetch_cell(*series, prefetches));
        prefetches.begin();
    }

    /// Those of the event's cells that are too many for all of them to be in the caches by themselves.
    #[inline]
    fn want_cells(&self, event: &Event<'_>, members: &[Member], wanted: &mut Vec<(usize, SeriesId)>) {
        let bucket = Bucket::of(event.occurred_at);
        let Some(number) = self.tables.iter().rposition(|table| table.bucket == bucket) else { return };
        let table = &self.tables[number];
        if table.len() > MANY_CELLS {
            let of_many = members.iter().filter(|member| table.series_per_set[usize::from(member.set)] as usize > MANY_CELLS / 8);
            wanted.extend(of_many.map(|member| (number, member.series)));
        }
    }
}

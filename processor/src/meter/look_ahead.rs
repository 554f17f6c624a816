//! Looking ahead over a group of events, so that the memory that their folding needs is on its way when their turns come.
//!
//! With many users nearly every event waits for several places in memory that no cache holds: its identity's slot, its user's number, and
//! its user's cell, and each of them says where the next one is. So while an event is folded, the events after it are each a step further in
//! looking up theirs: the memory is busy while the processor is. Nothing is changed by looking ahead, and folding takes from it only what no
//! other event can have changed.

use std::ops::Range;

use schemas::{Bucket, Event};

use super::Meter;
use super::series::{Member, SeriesId, ValueIds};
use crate::prefetch::Prefetches;

/// Cells of a table from which on they are fetched ahead: fewer stay in the caches by themselves.
const MANY_CELLS: usize = 2048;

/// Steps of looking ahead.
const STEPS: usize = 4;

/// Events from one step to the next: while so many are folded, memory comes.
const DISTANCE: usize = 2;

/// The buffers of looking ahead, kept from group to group.
#[derive(Debug, Default)]
pub struct LookAhead {
    found: Vec<Found>,
    members: Vec<Member>,
    /// Tables and series of cells to fetch.
    wanted: Vec<(usize, SeriesId)>,
    prefetches: Prefetches,
}

/// Events that are folded one after another, and what is known of them before their turns.
#[derive(Debug)]
pub struct Group<'g, 'b> {
    events: &'g [Event<'b>],
    ahead: &'g mut LookAhead,
    /// The event whose turn it is.
    pub(super) next: usize,
    /// How many events have taken each step.
    taken: [usize; STEPS],
}

#[derive(Debug)]
struct Found {
    fingerprint: u128,
    ids: Option<ValueIds>,
    /// The numbering that `ids` and `members` are of.
    numbering: u64,
    /// Of `LookAhead::members`; `None` when some series of the event was not known.
    members: Option<Range<usize>>,
    /// Of `LookAhead::wanted`.
    wanted: Range<usize>,
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
    /// Events that will be folded now, in their order: the more, the better.
    pub fn over<'g, 'b>(&'g mut self, events: &'g [Event<'b>]) -> Group<'g, 'b> {
        self.found.clear();
        self.members.clear();
        self.wanted.clear();
        Group { events, ahead: self, next: 0, taken: [0; STEPS] }
    }
}

impl<'g, 'b> Group<'g, 'b> {
    /// The event whose turn it is, and what is known of it.
    #[inline]
    pub(super) fn turn(&self, numbering: u64) -> (&'g Event<'b>, Prepared<'_>) {
        let found = &self.ahead.found[self.next];
        let members = found.members.clone().filter(|_| numbering == found.numbering);
        let members = members.and_then(|range| self.ahead.members.get(range));
        (&self.events[self.next], Prepared { fingerprint: found.fingerprint, members })
    }
}

impl Meter {
    /// Takes the events after the one whose turn it is a step further.
    pub(super) fn look_ahead(&mut self, group: &mut Group<'_, '_>) {
        let Group { events, ahead: LookAhead { found, members, wanted, prefetches }, next, taken } = group;
        let mut reached = |step: usize| {
            let until = (*next + 1 + (STEPS - 1 - step) * DISTANCE).min(events.len());
            std::mem::replace(&mut taken[step], until)..until
        };
        for event in &events[reached(0)] {
            let fingerprint = event.fingerprint(&mut self.scratch);
            self.dedup.prefetch(fingerprint, prefetches);
            self.index.prefetch_texts(event, prefetches);
            found.push(Found { fingerprint, ids: None, numbering: self.numbering, members: None, wanted: 0..0 });
        }
        prefetches.begin();
        for nth in reached(1) {
            let found = &mut found[nth];
            (found.ids, found.numbering) = (self.index.ids_of(&events[nth]), self.numbering);
            found.ids.iter().for_each(|ids| self.index.prefetch_series(ids, prefetches));
        }
        prefetches.begin();
        for nth in reached(2) {
            let (event, found, before) = (&events[nth], &mut found[nth], members.len());
            if found.ids.as_ref().is_some_and(|ids| self.index.find_event(event, ids, members)) {
                found.members = Some(before..members.len());
                let first = wanted.len();
                self.want_cells(event, &members[before..], wanted);
                found.wanted = first..wanted.len();
                wanted[first..].iter().for_each(|(table, series)| self.tables[*table].prefetch_place(*series, prefetches));
            }
        }
        prefetches.begin();
        for nth in reached(3) {
            for (table, series) in &wanted[found[nth].wanted.clone()] {
                // It may have been sealed since.
                self.tables.get(*table).into_iter().for_each(|table| table.prefetch_cell(*series, prefetches));
            }
        }
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

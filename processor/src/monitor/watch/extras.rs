//! What else is known of an hour that not all inputs have closed: for series with a budget that is projected.

use std::collections::{BTreeMap, HashMap};

use schemas::{Measures, Money};
use serde::{Deserialize, Serialize};

use crate::monitor::series::{SeriesId, SeriesIndex};
use crate::monitor::spend::add_to;

/// Of one series and hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extras {
    pub(super) calls: u64,
    pub(super) errors: u64,
    /// US dollars.
    pub(super) revenue: Money,
    /// What came in this hour, too late for its own, by the latter.
    pub(super) late: Vec<(u32, Money)>,
}

impl Extras {
    /// Adds counts and revenue. `None`: a sum does not fit.
    pub(super) fn add(&mut self, calls: u64, errors: u64, revenue: Money) -> Option<()> {
        self.calls = self.calls.saturating_add(calls);
        self.errors = self.errors.saturating_add(errors);
        self.revenue = self.revenue.checked_add(revenue)?;
        Some(())
    }
}

/// By the hour (since 1970) in which it came, and series.
#[derive(Debug, Default)]
pub(super) struct PendingExtras {
    hours: BTreeMap<u32, HashMap<SeriesId, Extras>>,
    len: usize,
}

impl PendingExtras {
    /// Takes in what a cell has grown by in hour `entered`; its spend is only kept if that is too late for its own, `late_for`. `None`: a sum
    /// does not fit.
    pub(super) fn add(
        &mut self,
        (entered, late_for): (u32, Option<u32>),
        id: SeriesId,
        delta: &Measures,
        series: &mut SeriesIndex,
    ) -> Option<()> {
        let extras = self.entry(entered, id, series);
        extras.add(delta.calls, delta.errors, delta.revenue)?;
        match late_for {
            Some(hour) => add_to(&mut extras.late, hour, delta.cost),
            None => Some(()),
        }
    }

    fn entry(&mut self, hour: u32, id: SeriesId, series: &mut SeriesIndex) -> &mut Extras {
        self.hours.entry(hour).or_default().entry(id).or_insert_with(|| {
            series.hold(id);
            self.len += 1;
            Extras::default()
        })
    }

    /// Puts one from a snapshot in place.
    pub(super) fn put(&mut self, hour: u32, id: SeriesId, extras: Extras, series: &mut SeriesIndex) {
        *self.entry(hour, id, series) = extras;
    }

    /// Those of an hour that is closed. Those of hours before it are forgotten.
    pub(super) fn take(&mut self, hour: u32, series: &mut SeriesIndex) -> HashMap<SeriesId, Extras> {
        let mut taken = HashMap::new();
        while let Some(first) = self.hours.first_entry().filter(|entry| *entry.key() <= hour) {
            let is_it = *first.key() == hour;
            let extras = first.remove();
            self.len -= extras.len();
            extras.keys().for_each(|id| series.release(*id));
            if is_it {
                taken = extras;
            }
        }
        taken
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, SeriesId, &Extras)> {
        self.hours.iter().flat_map(|(hour, extras)| extras.iter().map(|(id, extras)| (*hour, *id, extras)))
    }
}

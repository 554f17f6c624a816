//! Spend of hours that not all inputs have closed yet.
//!
//! Only what came on time is in it: before its own input had closed its quarter hour. So what an hour holds when it is closed by all is a
//! function of the inputs' logs, however they interleave. What comes later corrects the rollups and is in no judgement here.

use std::collections::{BTreeMap, HashMap};

use schemas::Money;
use serde::{Deserialize, Serialize};

use crate::monitor::series::{SeriesId, SeriesIndex};

/// What a series has spent in an hour so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HourSums {
    /// Never falls.
    pub(super) debits: Money,
    /// Zero or less.
    pub(super) credits: Money,
}

impl HourSums {
    /// `None`: it does not fit.
    pub(super) fn net(&self) -> Option<Money> {
        self.debits.checked_add(self.credits)
    }
}

/// Open hours, by their number since 1970.
#[derive(Debug, Default)]
pub(super) struct PendingHours {
    hours: BTreeMap<u32, HashMap<SeriesId, HourSums>>,
    len: usize,
}

impl PendingHours {
    /// Adds to an hour's sums. `None`: they do not fit.
    pub(super) fn add(&mut self, hour: u32, id: SeriesId, (debit, credit): (Money, Money), series: &mut SeriesIndex) -> Option<HourSums> {
        let sums = self.hours.entry(hour).or_default().entry(id).or_insert_with(|| {
            series.hold(id);
            self.len += 1;
            HourSums::default()
        });
        sums.debits = sums.debits.checked_add(debit)?;
        sums.credits = sums.credits.checked_add(credit)?;
        Some(*sums)
    }

    pub(super) fn get(&self, hour: u32, id: SeriesId) -> HourSums {
        self.hours.get(&hour).and_then(|hour| hour.get(&id)).copied().unwrap_or_default()
    }

    /// The sums of an hour, which is closed. Who takes them releases their series.
    pub(super) fn take(&mut self, hour: u32) -> HashMap<SeriesId, HourSums> {
        let taken = self.hours.remove(&hour).unwrap_or_default();
        self.len -= taken.len();
        taken
    }

    pub(super) fn first_hour(&self) -> Option<u32> {
        self.hours.keys().next().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, SeriesId, HourSums)> {
        self.hours.iter().flat_map(|(hour, sums)| sums.iter().map(|(id, sums)| (*hour, *id, *sums)))
    }
}

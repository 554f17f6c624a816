//! What a snapshot keeps of watching: series by their names, in an order that the state alone decides.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use schemas::GroupingSet;
use schemas::alert::Alert;

use super::pending::HourSums;
use super::watched::{Memory, Watched};
use super::{Rhythms, Watch, scope_of};
use crate::monitor::MonitorRules;
use crate::monitor::series::SeriesIndex;

/// See the module's documentation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct WatchState<'a> {
    next_hour: Option<u32>,
    since: Option<u32>,
    pending: Vec<(u32, Named, HourSums)>,
    watched: Vec<(Named, Cow<'a, Memory>)>,
    alerts: Cow<'a, [Alert]>,
    rhythm: Cow<'a, [Rhythms]>,
}

/// A series: its set's name, and its values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Named(String, Vec<Box<str>>);

/// No hour of an event is later: the year 2105, and some room to count on.
const LAST_HOUR: u32 = u32::MAX / 8;

impl WatchState<'_> {
    /// Are all hours in it those of events? Else it is no state of ours.
    pub(crate) fn is_sound(&self) -> bool {
        let of_pending = self.pending.iter().map(|(hour, ..)| *hour);
        let of_watched = self.watched.iter().flat_map(|(_, memory)| memory.hours());
        let of_rows = self.rhythm.iter().map(|row| row.hour);
        let mut all = of_pending.chain(of_watched).chain(of_rows).chain(self.next_hour).chain(self.since);
        all.all(|hour| hour <= LAST_HOUR)
    }
}

impl Watch {
    pub(crate) fn state(&self, sets: &[GroupingSet], series: &SeriesIndex) -> WatchState<'_> {
        let named = |id| Named(sets[series.set_of(id) as usize].name.clone(), series.values(id).to_vec());
        let mut pending: Vec<(u32, Named, HourSums)> = self.pending.iter().map(|(hour, id, sums)| (hour, named(id), sums)).collect();
        pending.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        WatchState {
            next_hour: self.next_hour,
            since: self.since,
            pending,
            watched: self.watched.iter().map(|watched| (named(watched.series), Cow::Borrowed(&watched.memory))).collect(),
            alerts: (&self.alerts).into(),
            rhythm: (&self.rhythm).into(),
        }
    }

    /// Puts a state back. Series of sets that are gone, have another key or are not watched any more are forgotten. `None`: a sum in it does not
    /// fit.
    pub(crate) fn restore(&mut self, state: WatchState<'_>, rules: &MonitorRules, series: &mut SeriesIndex) -> Option<()> {
        let mut known = |Named(set, values): &Named| {
            let at = rules.sets.iter().position(|known| known.name == *set && known.key.len() == values.len())?;
            self.sets[at].is_watched.then(|| (at as u16, series.intern(at as u16, values)))
        };
        let pending: Vec<_> = state.pending.iter().filter_map(|(hour, named, sums)| Some((*hour, known(named)?.1, *sums))).collect();
        let watched: Vec<_> = state.watched.into_iter().filter_map(|(named, memory)| Some((known(&named)?, memory))).collect();
        for (hour, id, sums) in pending {
            self.pending.add(hour, id, (sums.debits, sums.credits), series)?;
        }
        for ((set, id), memory) in watched {
            series.hold(id);
            let scope = scope_of(&rules.sets[set as usize], series.values(id)).into();
            self.put(Watched { series: id, scope, memory: memory.into_owned() }, set);
        }
        (self.next_hour, self.since) = (state.next_hour, state.since);
        (self.alerts, self.rhythm) = (state.alerts.into_owned(), state.rhythm.into_owned());
        Some(())
    }
}

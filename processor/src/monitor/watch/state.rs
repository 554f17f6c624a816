//! What a snapshot keeps of watching: series by their names, in an order that the state alone decides.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use schemas::GroupingSet;
use schemas::alert::Alert;

use super::anomaly::Anomaly;
use super::extras::Extras;
use super::pace::{Pace, Projected};
use super::pending::HourSums;
use super::watched::{Memory, Watched};
use super::{Rhythms, Watch, scope_of};
use crate::monitor::MonitorRules;
use crate::monitor::series::{SeriesId, SeriesIndex};

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

/// What format 4 has added.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct PaceState<'a> {
    extras: Vec<(u32, Named, Cow<'a, Extras>)>,
    paces: Vec<(Named, Cow<'a, Pace>)>,
    projected: Cow<'a, [Projected]>,
    /// By set; of others nothing is known before the next hour.
    known_since: Vec<(String, u32)>,
    normals: Cow<'a, [(String, u32)]>,
}

/// What format 5 has added.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct AnomalyState<'a>(Cow<'a, [Anomaly]>);

/// A series: its set's name, and its values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Named(String, Vec<Box<str>>);

/// No hour of an event is later: the year 2105, and some room to count on.
pub(crate) const LAST_HOUR: u32 = u32::MAX / 8;

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

impl PaceState<'_> {
    /// See [`WatchState::is_sound`].
    pub(crate) fn is_sound(&self) -> bool {
        let of_extras = self.extras.iter().flat_map(|(hour, _, extras)| extras.late.iter().map(|(hour, _)| *hour).chain([*hour]));
        let of_rows = self.projected.iter().map(|row| row.hour);
        let mut all = of_extras.chain(of_rows).chain(self.known_since.iter().chain(&*self.normals).map(|(_, hour)| *hour));
        all.all(|hour| hour <= LAST_HOUR)
    }
}

impl AnomalyState<'_> {
    /// See [`WatchState::is_sound`].
    pub(crate) fn is_sound(&self) -> bool {
        self.0.iter().flat_map(Anomaly::hours).all(|hour| hour <= LAST_HOUR)
    }
}

impl Watch {
    pub(crate) fn anomaly_state(&self) -> AnomalyState<'_> {
        AnomalyState((&self.anomalies).into())
    }

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

    pub(crate) fn pace_state(&self, sets: &[GroupingSet], series: &SeriesIndex) -> PaceState<'_> {
        let named = |id| Named(sets[series.set_of(id) as usize].name.clone(), series.values(id).to_vec());
        let mut extras: Vec<_> = self.extras.iter().map(|(hour, id, extras)| (hour, named(id), Cow::Borrowed(extras))).collect();
        extras.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        PaceState {
            extras,
            paces: self
                .watched
                .iter()
                .filter_map(|watched| Some((named(watched.series), Cow::Borrowed(watched.pace.as_deref()?))))
                .collect(),
            projected: (&self.projected).into(),
            normals: (&self.normals).into(),
            known_since: sets.iter().zip(&self.sets).map(|(set, watch)| (set.name.clone(), watch.known_since)).collect(),
        }
    }

    /// Puts a state back. Series of sets that are gone, have another key or are not watched any more are forgotten. `None`: a sum in it does not
    /// fit.
    pub(crate) fn restore(
        &mut self,
        (state, paces, anomalies): (WatchState<'_>, PaceState<'_>, AnomalyState<'_>),
        rules: &MonitorRules,
        series: &mut SeriesIndex,
    ) -> Option<()> {
        let mut known = |Named(set, values): &Named| {
            let at = rules.sets.iter().position(|known| known.name == *set && known.key.len() == values.len())?;
            self.sets[at].is_watched.then(|| (at as u16, series.intern(at as u16, values)))
        };
        let pending: Vec<_> = state.pending.iter().filter_map(|(hour, named, sums)| Some((*hour, known(named)?.1, *sums))).collect();
        let watched: Vec<_> = state.watched.into_iter().filter_map(|(named, memory)| Some((known(&named)?, memory))).collect();
        let extras: Vec<_> = paces.extras.into_iter().filter_map(|(hour, named, extras)| Some((hour, known(&named)?.1, extras))).collect();
        let known_paces = paces.paces.into_iter().filter_map(|(named, pace)| Some((known(&named)?.1, pace)));
        let mut known_paces: HashMap<SeriesId, Pace> = known_paces.map(|(id, pace)| (id, pace.into_owned())).collect();
        for (hour, id, extras) in extras {
            self.extras.put(hour, id, extras.into_owned(), series);
        }
        for (hour, id, sums) in pending {
            self.pending.add(hour, id, (sums.debits, sums.credits), series)?;
        }
        let now = state.next_hour.map_or(0, |hour| hour + 1);
        for ((set, id), memory) in watched {
            series.hold(id);
            let scope = scope_of(&rules.sets[set as usize], series.values(id)).into();
            let budgets = || self.sets[set as usize].projected.iter().map(|at| &rules.budgets[*at as usize]);
            let held = known_paces.remove(&id).map(|pace| Box::new(pace.under(budgets(), now)));
            let pace = held.filter(|_| budgets().next().is_some()).or_else(|| self.new_pace(set, rules, now));
            self.put(Watched { series: id, scope, memory: memory.into_owned(), pace }, set);
        }
        (self.next_hour, self.since) = (state.next_hour, state.since);
        for (set, watch) in rules.sets.iter().zip(&mut self.sets) {
            let known = paces.known_since.iter().find(|(name, _)| *name == set.name).map(|(_, hour)| *hour);
            watch.known_since = known.unwrap_or(now);
        }
        (self.projected, self.normals) = (paces.projected.into_owned(), paces.normals.into_owned());
        (self.alerts, self.rhythm, self.anomalies) = (state.alerts.into_owned(), state.rhythm.into_owned(), anomalies.0.into_owned());
        Some(())
    }
}

//! Watching: every series of the watched sets is judged hour by hour, and what is not as usual is told.
//!
//! As with budgets, nothing may depend on how partitions interleave. An hour is judged when all inputs have closed it, on what came on time
//! (see [`pending`]). A limit for the coming hour is fixed when all hours before are closed, and because the spend of an hour without its
//! credits only grows, it is told at once that a limit was reached: the final sum will say so too.
//!
//! Where the budgets of a watched series will end is projected with the same expectations (see [`pace`]).
//!
//! Limits: of each set the series that spend most are watched, `max_series` in one partition of the partials topic; how many are not is in the
//! gauges. One without spend for 35 days is forgotten. Series that stand for several values (`__other__`), or for none, are not watched.

mod anomaly;
mod days;
mod episode;
mod extras;
mod feedback;
mod history;
mod pace;
mod pending;
mod rules;
mod state;
mod watched;
mod words;

use std::collections::HashMap;

use detection::rhythm::{Judgement, Limits, State};
use schemas::alert::{Alert, AlertState, Level};
use schemas::calendar::Window;
use schemas::rollup::RhythmRow;
use schemas::timestamp::HOUR_US;
use schemas::{Bucket, Currency, Dimension, GroupingSet, Money, Timestamp};

use self::anomaly::Anomaly;
use self::days::EndedDay;
use self::episode::{Episode, Limit, Told};
use self::extras::{Extras, PendingExtras};
use self::pace::{ClosedHour, Pace, Projected};
use self::pending::{HourSums, PendingHours};
pub use self::rules::WatchRules;
pub(super) use self::state::{AnomalyState, LAST_HOUR, PaceState, WatchState};
use self::watched::{HourRule, Memory, Watched};
use super::ledger::{Change, Moment};
use super::series::{SeriesId, SeriesIndex, name_of};
use super::{MonitorEffects, MonitorRules, hour_end, hour_of, hour_start};

/// Hours without spend after which a series is forgotten.
const FORGOTTEN_AFTER_H: u32 = 35 * 24;
/// Hours from the first one on until a series is new to the stream, and not only to us.
const NEW_AFTER_H: u32 = 24;

/// Hours that spend has to go on until it is no spike any more, but what is to be compared with.
const A_LEVEL_H: u32 = 24;

/// The sum of an hour does not fit.
#[derive(Debug)]
pub(super) struct WatchOverflow;

/// What is watched of one grouping set.
#[derive(Debug)]
struct SetWatch {
    is_watched: bool,
    has_budget: bool,
    /// Those of its budgets that are projected.
    projected: Vec<u16>,
    /// Is a value seen for the first time worth telling?
    tells_new: bool,
    /// How many series are watched.
    count: usize,
    /// Hours before this one may hold spend of series that were not watched.
    known_since: u32,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Watch {
    is_on: bool,
    sets: Vec<SetWatch>,
    pending: PendingHours,
    extras: PendingExtras,
    watched: Vec<Watched>,
    by_series: HashMap<SeriesId, usize>,
    /// The first hour (since 1970) that not all inputs have closed; `None` before the first closing.
    next_hour: Option<u32>,
    /// The first hour in which anything was spent.
    since: Option<u32>,
    /// Series of the last hour for which there was no room.
    unwatched: usize,
    /// Offset after the record that closes hours.
    revision: i64,
    limits: Limits,
    /// New normals that have begun: scope and hour.
    normals: Vec<(String, u32)>,
    pub(super) alerts: Vec<Alert>,
    rhythm: Vec<Rhythms>,
    projected: Vec<Projected>,
    anomalies: Vec<Anomaly>,
}

/// A row that is not written yet.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Rhythms {
    scope: Box<str>,
    hour: u32,
    revision: i64,
    actual: Money,
    expected: Money,
    measures: [Option<f64>; 3],
    state: State,
}

impl Watch {
    pub(super) fn new(rules: &MonitorRules) -> Self {
        let of_set = |set: &GroupingSet| SetWatch {
            is_watched: rules.watch.watches(set),
            has_budget: rules.budgets_of(set).next().is_some(),
            projected: rules
                .budgets_of(set)
                .filter(|(_, budget)| rules.watch.rhythm && pace::is_projected(budget))
                .map(|(at, _)| at)
                .collect(),
            tells_new: matches!(set.key.last(), Some(Dimension::Service | Dimension::Model)) && set.filter.is_empty(),
            count: 0,
            known_since: 0,
        };
        let sets: Vec<SetWatch> = rules.sets.iter().map(of_set).collect();
        Watch {
            is_on: sets.iter().any(|set| set.is_watched),
            sets,
            pending: PendingHours::default(),
            extras: PendingExtras::default(),
            watched: Vec::new(),
            by_series: HashMap::new(),
            next_hour: None,
            since: None,
            unwatched: 0,
            revision: 0,
            limits: Limits { below_budget_is_off_pace: rules.watch.below_budget_is_off_pace, ..Limits::default() },
            normals: Vec::new(),
            alerts: Vec::new(),
            rhythm: Vec::new(),
            projected: Vec::new(),
            anomalies: Vec::new(),
        }
    }

    /// Takes in what a cell has grown by.
    #[inline]
    pub(super) fn add(&mut self, change: Change<'_>, series: &mut SeriesIndex) -> Result<(), WatchOverflow> {
        let Change { bucket, entered, series: id, delta } = change;
        let is_late = entered != bucket;
        let set = &self.sets[series.set_of(id) as usize];
        let spends = change.spends();
        if !set.is_watched || (set.projected.is_empty() && (is_late || !spends)) {
            return Ok(());
        }
        if !series.is_somebody(id) {
            return Ok(());
        }
        let hour = hour_of(bucket);
        if !set.projected.is_empty() {
            let late_for = (is_late && spends).then_some(hour);
            self.extras.add((hour_of(entered), late_for), id, delta, series).ok_or(WatchOverflow)?;
        }
        if is_late || !spends {
            return Ok(());
        }
        let debit = delta.cost.checked_sub(delta.credit).ok_or(WatchOverflow)?;
        let sums = self.pending.add(hour, id, (debit, delta.credit), series).ok_or(WatchOverflow)?;
        if self.next_hour == Some(hour)
            && let Some(at) = self.by_series.get(&id).copied()
        {
            self.reach(at, hour, sums.debits, delta.last_event_at);
        }
        Ok(())
    }

    /// All inputs have closed everything before `moment.closed`.
    pub(super) fn close(&mut self, rules: &MonitorRules, moment: Moment, series: &mut SeriesIndex) -> Result<(), WatchOverflow> {
        let end = hour_of(Bucket::of(moment.closed));
        self.revision = moment.revision;
        while self.is_on {
            let next = match self.next_hour.filter(|_| !self.watched.is_empty()) {
                Some(next) => next,
                // Nothing happens in hours without spend while nothing is watched.
                None => self.pending.first_hour().map_or(end, |first| first.min(end)).max(self.next_hour.unwrap_or(0)),
            };
            self.next_hour = Some(next);
            if next >= end {
                return Ok(());
            }
            self.close_hour(next, rules, series)?;
        }
        Ok(())
    }

    fn close_hour(&mut self, hour: u32, rules: &MonitorRules, series: &mut SeriesIndex) -> Result<(), WatchOverflow> {
        let mut sums = self.pending.take(hour);
        let extras = self.extras.take(hour, series);
        let day = EndedDay::with_hour(&rules.calendar, hour);
        // Nothing of any series: events are missing rather than spend.
        let has_data = !sums.is_empty();
        for at in 0..self.watched.len() {
            let id = self.watched[at].series;
            let spent = match sums.remove(&id) {
                Some(spent) => {
                    series.release(id);
                    spent
                }
                None => HourSums::default(),
            };
            self.judge(at, hour, (spent, extras.get(&id), has_data), day.as_ref(), rules, series)?;
            // At once, while it is in the processor's cache.
            self.watched[at].open_hour(hour + 1, &rules.watch);
        }
        self.admit(hour, (sums, &extras), rules, series)?;
        self.forget(series);
        self.begin_anew(hour + 1, rules);
        self.next_hour = Some(hour + 1);
        let end = hour_end(hour);
        // Not before it is settled who is watched: what has come of the coming hour differs between interleavings.
        for at in 0..self.watched.len() {
            let spent = self.pending.get(hour + 1, self.watched[at].series);
            if spent.debits > Money::ZERO {
                self.reach(at, hour + 1, spent.debits, end);
            }
        }
        Ok(())
    }

    /// Draws the consequences of a closed hour of a watched series.
    fn judge(
        &mut self,
        at: usize,
        hour: u32,
        (spent, extras, has_data): (HourSums, Option<&Extras>, bool),
        day: Option<&EndedDay>,
        rules: &MonitorRules,
        series: &SeriesIndex,
    ) -> Result<(), WatchOverflow> {
        let end = hour_end(hour);
        let net = spent.net().ok_or(WatchOverflow)?;
        let is_planned = feedback::is_planned(&rules.watch.feedback, &self.watched[at].scope, hour);
        // That a limit was reached has been told when it was.
        for (nth, rule) in HourRule::ALL.into_iter().enumerate() {
            let Watched { scope, memory, .. } = &mut self.watched[at];
            let mut anomaly = memory.episodes[nth].as_ref().map(|episode| Anomaly {
                rule,
                scope: scope.clone(),
                since: episode.since,
                hour,
                level: episode.level(),
                actual: net,
                expected: memory.limits[nth].map_or_else(|| memory.usual(hour), |limit| limit.expected),
                is_over: false,
                revision: self.revision,
            });
            let is_under_limit = memory.limits[nth].is_none_or(|limit| spent.debits < limit.warning);
            let is_below = match (rule, &memory.episodes[nth]) {
                // Within an episode the limit is that of a further spike: it is over when the spend is usual again, or is a level of its own.
                (HourRule::Spike, Some(episode)) if !is_planned && hour < episode.since + A_LEVEL_H => {
                    memory.is_usual(hour, spent.debits, &rules.watch)
                }
                _ => is_under_limit,
            };
            if let Some(told) = is_below.then(|| episode::stay_below(&mut memory.episodes[nth])).flatten() {
                self.tell_hour(at, rule, (&told, None), hour, spent.debits, end);
                anomaly.iter_mut().for_each(|anomaly| anomaly.is_over = true);
            }
            self.anomalies.extend(anomaly);
        }
        let watched = &mut self.watched[at];
        let previous = watched.memory.last();
        let learnt = if is_planned { watched.memory.usual(hour) } else { net };
        let dropped_from = watched.memory.close_hour(hour, learnt, &rules.watch, &self.limits);
        let passes = |expected: Money| (expected >= watched::worth_telling(net, &rules.watch)?).then_some(expected);
        if let Some(expected) = dropped_from.filter(|_| has_data).and_then(passes) {
            self.alerts.push(Alert {
                current: net,
                previous: expected,
                explanation: words::of_drop(&watched.scope, net, expected, &hour_text(hour)),
                recommendation: words::DROPPED.to_owned(),
                ..hour_alert("drop", &watched.scope, hour, end)
            });
        }
        if let Some(day) = day {
            for verdict in days::judge(&watched.memory, day, &rules.watch) {
                let explanation = words::of_day(&watched.scope, &day.name, verdict.spend, verdict.reference, verdict.with);
                self.alerts.push(Alert {
                    level: Level::Warning,
                    threshold: verdict.limit,
                    current: verdict.spend,
                    previous: verdict.reference,
                    explanation,
                    recommendation: words::LOOK.to_owned(),
                    period: day.name.clone(),
                    period_start: day.window.start,
                    period_end: day.window.end,
                    ..hour_alert(verdict.rule, &watched.scope, hour, end)
                });
            }
        }
        self.judge_rhythm(at, hour, (net, previous), extras, rules, series)
    }

    /// Coherence, phase, entropy and state after a closed hour, where the budgets will end, and what to do about it.
    fn judge_rhythm(
        &mut self,
        at: usize,
        hour: u32,
        (net, previous): (Money, Money),
        extras: Option<&Extras>,
        rules: &MonitorRules,
        series: &SeriesIndex,
    ) -> Result<(), WatchOverflow> {
        if !rules.watch.rhythm {
            return Ok(());
        }
        let Watched { series: id, memory, pace, .. } = &mut self.watched[at];
        let set = &self.sets[series.set_of(*id) as usize];
        let mut told = pace::Told { alerts: &mut self.alerts, rows: &mut self.projected, revision: self.revision };
        let (mut projections, none) = (Vec::new(), Extras::default());
        let scope = pace.as_ref().map(|_| name_of(&rules.sets[series.set_of(*id) as usize], series.values(*id)));
        let scope = scope.as_deref().unwrap_or_default();
        if let Some(pace) = pace {
            let closed = ClosedHour { hour, net, extras: extras.unwrap_or(&none), known_since: set.known_since };
            projections = pace
                .close_hour(&set.projected, rules, closed, memory.expectation(), (scope, &mut told))
                .map_err(|pace::PaceOverflow| WatchOverflow)?;
        }
        let worst = projections.iter().map(pace::Projection::ratio).max_by(f64::total_cmp);
        let judgement = memory.judge(worst, &self.limits);
        if let Some(pace) = pace {
            let now = (hour, judgement.state, memory.expectation().hours());
            pace.conclude(&projections, &set.projected, rules, now, (scope, &mut told));
        }
        let has_budget = set.has_budget;
        self.tell_rhythm(at, hour, &judgement, has_budget, (net, previous));
        Ok(())
    }

    /// Forgets what was usual of scopes for which a new normal begins with this hour, or has begun before the configuration said so.
    fn begin_anew(&mut self, hour: u32, rules: &MonitorRules) {
        for (scope, from) in feedback::new_normals(&rules.watch.feedback, hour) {
            if self.normals.contains(&(scope.to_owned(), from)) {
                continue;
            }
            self.normals.push((scope.to_owned(), from));
            for at in 0..self.watched.len() {
                if *self.watched[at].scope == *scope {
                    let over = self.watched[at].memory.begin_anew();
                    self.watched[at].open_hour(hour, &rules.watch);
                    self.end_episodes(scope, over, hour, &words::of_new_normal(scope));
                }
            }
        }
    }

    /// Tells that episodes of a scope are over for another reason than its spend, when hour `hour` begins.
    fn end_episodes(&mut self, scope: &str, over: [Option<Episode>; HourRule::ALL.len()], hour: u32, why: &str) {
        // The rows of the hour that was closed just now; those of hours before may be written already.
        let of_last_hour = |anomaly: &&mut Anomaly| *anomaly.scope == *scope && anomaly.hour + 1 == hour;
        self.anomalies.iter_mut().filter(of_last_hour).for_each(|anomaly| anomaly.is_over = true);
        for (rule, episode) in HourRule::ALL.into_iter().zip(over).filter_map(|(rule, episode)| Some((rule, episode?))) {
            self.alerts.push(Alert {
                state: AlertState::Resolved,
                threshold: episode.threshold,
                explanation: why.to_owned(),
                recommendation: words::NOTHING.to_owned(),
                ..hour_alert(rule.name(), scope, episode.since, hour_start(hour))
            });
        }
    }

    /// A row for the hour; an alert if the state is another and the scope has a budget.
    fn tell_rhythm(&mut self, at: usize, hour: u32, judgement: &Judgement, has_budget: bool, (current, previous): (Money, Money)) {
        let watched = &mut self.watched[at];
        self.rhythm.push(Rhythms {
            scope: watched.scope.clone(),
            hour,
            revision: self.revision,
            actual: current,
            expected: watched::estimate(judgement.expected),
            measures: [judgement.coherence, judgement.phase.smallest(), judgement.entropy],
            state: judgement.state,
        });
        let memory = &mut watched.memory;
        let before = memory.told.unwrap_or(State::Resonant);
        let Some(now) = judgement.state.code().filter(|_| judgement.state != before) else { return };
        memory.told = Some(judgement.state);
        if !has_budget {
            return;
        }
        let was = before.code().unwrap_or(now);
        let (state, level) = match judgement.state {
            State::Resonant => (AlertState::Resolved, Level::Info),
            State::Chaotic if was == 2 => (AlertState::Fired, Level::Critical),
            State::Chaotic => (AlertState::Escalated, Level::Critical),
            _ if was == 2 => (AlertState::Fired, Level::Warning),
            // From chaotic to dissonant: better, and not over.
            _ => return,
        };
        if state == AlertState::Fired {
            memory.told_since = hour;
        }
        let limits = [self.limits.good_coherence, self.limits.good_phase, self.limits.good_entropy];
        self.alerts.push(Alert {
            level,
            state,
            current,
            previous,
            explanation: words::of_rhythm(&watched.scope, judgement, limits),
            recommendation: if state == AlertState::Resolved { words::NOTHING } else { words::RHYTHM }.to_owned(),
            ..hour_alert("rhythm", &watched.scope, memory.told_since, hour_end(hour))
        });
    }

    /// The open or just closed hour has spent so much: tells what has not been told.
    fn reach(&mut self, at: usize, hour: u32, debits: Money, occurred_at: Timestamp) {
        for (nth, rule) in HourRule::ALL.into_iter().enumerate() {
            let memory = &mut self.watched[at].memory;
            let Some(limit) = memory.limit(nth, hour, debits) else { continue };
            for told in episode::reach(&mut memory.episodes[nth], hour, &limit, debits) {
                self.tell_hour(at, rule, (&told, Some(&limit)), hour, debits, occurred_at);
            }
        }
    }

    /// An alert of a rule about an hour; without a limit it is over.
    fn tell_hour(
        &mut self,
        at: usize,
        rule: HourRule,
        (told, limit): (&Told, Option<&Limit>),
        hour: u32,
        debits: Money,
        occurred_at: Timestamp,
    ) {
        let Watched { scope, memory, .. } = &self.watched[at];
        let seen_by = if limit.is_some() && rule == HourRule::Spike { memory.seen_by(hour, debits) } else { Vec::new() };
        self.alerts.push(Alert {
            level: told.level,
            state: told.state,
            threshold: told.threshold,
            current: debits,
            previous: limit.map_or(Money::ZERO, |limit| limit.expected),
            explanation: words::of_hour(rule, scope, told, (limit, &seen_by), debits, &hour_text(hour)),
            recommendation: if limit.is_some() { words::LOOK } else { words::NOTHING }.to_owned(),
            ..hour_alert(rule.name(), scope, told.since, occurred_at)
        });
    }

    /// Series that were not watched in their hour: there is room, or they spend more than one that is.
    fn admit(
        &mut self,
        hour: u32,
        (sums, extras): (HashMap<SeriesId, HourSums>, &HashMap<SeriesId, Extras>),
        rules: &MonitorRules,
        series: &mut SeriesIndex,
    ) -> Result<(), WatchOverflow> {
        let mut newcomers = Vec::with_capacity(sums.len());
        for (id, spent) in sums {
            newcomers.push((spent.net().ok_or(WatchOverflow)?, id));
        }
        newcomers.sort_by(|(amount, id), (other_amount, other)| {
            other_amount
                .cmp(amount)
                .then_with(|| (series.set_of(*id), series.values(*id)).cmp(&(series.set_of(*other), series.values(*other))))
        });
        self.unwatched = 0;
        if !newcomers.is_empty() {
            self.since.get_or_insert(hour);
        }
        let is_new_to_the_stream = self.since.is_some_and(|since| hour >= since + NEW_AFTER_H);
        for (amount, id) in newcomers {
            let set = series.set_of(id);
            let definition = &rules.sets[set as usize];
            if self.sets[set as usize].count >= rules.watch.max_series {
                self.sets[set as usize].known_since = hour + 1;
                if !self.make_room(set, amount, hour + 1, series) {
                    self.unwatched += 1;
                    series.release(id);
                    continue;
                }
            }
            let scope: Box<str> = scope_of(definition, series.values(id)).into();
            let mut memory = Memory::new();
            memory.close_hour(hour, amount, &rules.watch, &self.limits);
            if rules.watch.first_spend && self.sets[set as usize].tells_new && is_new_to_the_stream {
                self.alerts.push(Alert {
                    current: amount,
                    explanation: words::of_first_spend(&scope, amount, &hour_text(hour)),
                    recommendation: words::NEW.to_owned(),
                    ..hour_alert("first-spend", &scope, hour, hour_end(hour))
                });
            }
            // What the pending hour held now holds the watched series.
            let pace = self.new_pace(set, rules, 0);
            self.put(Watched { series: id, scope, memory, pace }, set);
            let at = self.watched.len() - 1;
            self.judge_rhythm(at, hour, (amount, Money::ZERO), extras.get(&id), rules, series)?;
            self.watched[at].open_hour(hour + 1, &rules.watch);
        }
        Ok(())
    }

    /// What projects the budgets of a series of the set, if it has any; the series may have spent something before hour `since`.
    fn new_pace(&self, set: u16, rules: &MonitorRules, since: u32) -> Option<Box<Pace>> {
        let projected = &self.sets[set as usize].projected;
        (!projected.is_empty()).then(|| Box::new(Pace::new(projected.iter().map(|at| &rules.budgets[*at as usize]), since)))
    }

    fn put(&mut self, watched: Watched, set: u16) {
        self.sets[set as usize].count += 1;
        self.by_series.insert(watched.series, self.watched.len());
        self.watched.push(watched);
    }

    /// Lets go of the series of the set that has spent least lately, if that is less than `amount`, before hour `hour`.
    fn make_room(&mut self, set: u16, amount: Money, hour: u32, series: &mut SeriesIndex) -> bool {
        let of_set = self.watched.iter().enumerate().filter(|(_, watched)| series.set_of(watched.series) == set);
        let least = of_set.min_by(|(_, a), (_, b)| a.memory.weight.total_cmp(&b.memory.weight));
        let Some(at) = least.filter(|(_, watched)| watched.memory.weight < watched::dollars(amount)).map(|(at, _)| at) else {
            return false;
        };
        let gone = self.remove(at, series);
        self.end_episodes(&gone.scope, gone.memory.episodes, hour, &words::of_let_go(&gone.scope));
        true
    }

    fn remove(&mut self, at: usize, series: &mut SeriesIndex) -> Watched {
        let gone = self.watched.swap_remove(at);
        self.by_series.remove(&gone.series);
        if let Some(moved) = self.watched.get(at) {
            self.by_series.insert(moved.series, at);
        }
        self.sets[series.set_of(gone.series) as usize].count -= 1;
        series.release(gone.series);
        gone
    }

    fn forget(&mut self, series: &mut SeriesIndex) {
        for at in (0..self.watched.len()).rev() {
            if self.watched[at].memory.silent_h >= FORGOTTEN_AFTER_H {
                self.remove(at, series);
            }
        }
    }

    /// Writes the rows of the rhythm, of the projections and of anomalies.
    pub(super) fn flush(&mut self, out: &mut dyn MonitorEffects) {
        self.projected.drain(..).for_each(|projected| out.pace(&projected.row()));
        for Rhythms { scope, hour, revision, actual, expected, measures: [coherence, phase, entropy], state } in self.rhythm.drain(..) {
            out.rhythm(&RhythmRow {
                scope: &scope,
                hour: hour_start(hour),
                actual,
                expected,
                coherence,
                phase,
                entropy,
                revision,
                state: state.as_str(),
                state_code: state.code().map(|code| code as i8),
            });
        }
        self.anomalies.drain(..).for_each(|anomaly| out.anomaly(&anomaly.row()));
    }

    /// Series watched.
    pub(super) fn len(&self) -> usize {
        self.watched.len()
    }

    /// Series of the last closed hour for which there was no room.
    pub(super) fn unwatched(&self) -> usize {
        self.unwatched
    }

    pub(super) fn bytes(&self) -> usize {
        // The ring of hours is an allocation of its own.
        self.watched.len() * (size_of::<Watched>() + 4096) + self.pending.len() * 96 + self.extras.len() * 128 + self.rhythm.len() * 128
    }
}

/// `2026-11-22T10:00Z`
fn hour_text(hour: u32) -> String {
    let text = hour_start(hour).to_string();
    format!("{}Z", text.get(..16).unwrap_or(&text))
}

/// As rows and alerts name a series: two sets with the same key have different names for it.
fn scope_of(set: &GroupingSet, values: &[Box<str>]) -> String {
    let scope = name_of(set, values);
    match set.name.starts_with("budget:") {
        true if set.key.is_empty() => set.name.clone(),
        true => format!("{},{scope}", set.name),
        false => scope,
    }
}

/// An alert of which only the rule, the scope, the hour and the time are said.
fn hour_alert(rule: &str, scope: &str, hour: u32, occurred_at: Timestamp) -> Alert {
    let start = hour_start(hour);
    let window = Window { start, end: start.plus(HOUR_US) };
    Alert { occurred_at, ..Alert::about(rule, scope, &hour_text(hour), window, Currency::USD) }
}

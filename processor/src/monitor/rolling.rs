//! Budgets of the last so many hours: what is spent in them, and the alerts about it.
//!
//! A closed hour is judged by the sum of it and the hours before; the running hour is told at once when it reaches a threshold, because what the
//! closed hours leave of a threshold is fixed when it begins and its spend without credits only grows. What comes late counts in the hour of its
//! event, from the hour in which it came on. So all of it is a function of the inputs' logs.
//!
//! An episode begins when the lowest threshold is reached and ends when none was for three hours; its alerts have the period in which it began.

use std::collections::{BTreeMap, HashMap};

use schemas::alert::{Alert, AlertState, Level};
use schemas::budget::{Budget, BudgetWindow};
use schemas::calendar::Window;
use schemas::rollup::BudgetRow;
use schemas::{Bucket, Money, Timestamp};
use serde::{Deserialize, Serialize};

use super::ledger::{BudgetOverflow, Change, Moment};
use super::series::{SeriesId, SeriesIndex, name_of};
use super::spend::add_to;
use super::steps::{Step, Turn, climb, is_any_on, reach};
use super::{MonitorEffects, MonitorRules, explanation, hour_end, hour_of, hour_start};

/// Hours in a row below a threshold until it is left. So one that was left is not told again within the hour.
const QUIET_H: u8 = 3;

/// All budgets of the last hours.
#[derive(Debug)]
pub(super) struct Rolling {
    /// In the order of the rules.
    budgets: Vec<RollingBudget>,
    /// Those of a set, by their place in `budgets`.
    by_set: Vec<Vec<usize>>,
    /// The first hour that not all inputs have closed; `None` before the first closing.
    next_hour: Option<u32>,
    pub(super) alerts: Vec<Alert>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct RollingBudget {
    /// Index in the rules.
    budget: u16,
    hours: u32,
    /// In the order of their first spend.
    scopes: Vec<Scope>,
    index: HashMap<SeriesId, usize>,
}

#[derive(Debug)]
struct Scope {
    series: SeriesId,
    name: Box<str>,
    memory: Memory,
}

/// What a snapshot keeps of one scope. US dollars, by the hour (since 1970).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Spend of closed hours of the window, by the hour of the event.
    closed: BTreeMap<u32, Money>,
    /// What came in hours that not all inputs have closed, by the hour in which it came.
    coming: BTreeMap<u32, Coming>,
    steps: Vec<Step>,
    /// The hour in which the episode began.
    since: u32,
    /// What was judged last, in the budget's currency.
    before: Money,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Coming {
    /// What came on time. Never falls.
    debits: Money,
    /// Credits and what came late, by the hour of the event.
    others: Vec<(u32, Money)>,
}

/// A row that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    budget: Box<str>,
    scope: Box<str>,
    hour: u32,
    spent: Money,
    level: Option<Level>,
    revision: i64,
}

impl Rolling {
    pub(super) fn new(rules: &MonitorRules) -> Self {
        let rolling = |(budget, definition): (u16, &Budget)| match definition.window {
            BudgetWindow::Rolling { hours } => Some(RollingBudget { budget, hours, scopes: Vec::new(), index: HashMap::new() }),
            _ => None,
        };
        let budgets: Vec<RollingBudget> = (0..).zip(&rules.budgets).filter_map(rolling).collect();
        let place_of = |budget: u16| budgets.iter().position(|rolling: &RollingBudget| rolling.budget == budget);
        let by_set = rules.sets.iter().map(|set| rules.budgets_of(set).filter_map(|(budget, _)| place_of(budget)).collect()).collect();
        Rolling { budgets, by_set, next_hour: None, alerts: Vec::new(), rows: Vec::new() }
    }

    /// Takes in what a cell has grown by.
    #[inline]
    pub(super) fn add(
        &mut self,
        rules: &MonitorRules,
        change: Change<'_>,
        moment: Moment,
        series: &mut SeriesIndex,
    ) -> Result<(), BudgetOverflow> {
        let set = series.set_of(change.series) as usize;
        if self.by_set[set].is_empty() || !change.spends() || !series.is_somebody(change.series) {
            return Ok(());
        }
        for nth in 0..self.by_set[set].len() {
            let at = self.by_set[set][nth];
            let budget = &rules.budgets[self.budgets[at].budget as usize];
            self.add_to(at, rules, change, moment, series).ok_or_else(|| BudgetOverflow::of(budget))?;
        }
        Ok(())
    }

    fn add_to(&mut self, at: usize, rules: &MonitorRules, change: Change<'_>, moment: Moment, series: &mut SeriesIndex) -> Option<()> {
        let Change { bucket, entered, series: id, delta } = change;
        let rolling = &mut self.budgets[at];
        let set = &rules.sets[series.set_of(id) as usize];
        let place = *rolling.index.entry(id).or_insert_with(|| {
            series.hold(id);
            let name = name_of(set, series.values(id));
            rolling.scopes.push(Scope { series: id, name: name.into(), memory: Memory::default() });
            rolling.scopes.len() - 1
        });
        let coming = rolling.scopes[place].memory.coming.entry(hour_of(entered)).or_default();
        if entered == bucket {
            coming.debits = coming.debits.checked_add(delta.cost.checked_sub(delta.credit)?)?;
            coming.put(hour_of(bucket), delta.credit)?;
        } else {
            coming.put(hour_of(bucket), delta.cost)?;
        }
        match self.next_hour {
            Some(next) if next == hour_of(entered) => self.look((at, place), rules, next, delta.last_event_at, moment.revision),
            _ => Some(()),
        }
    }

    /// All inputs have closed everything before `moment.closed`.
    pub(super) fn close(&mut self, rules: &MonitorRules, moment: Moment, series: &mut SeriesIndex) -> Result<(), BudgetOverflow> {
        let end = hour_of(Bucket::of(moment.closed));
        while !self.budgets.is_empty() {
            let scopes = || self.budgets.iter().flat_map(|rolling| &rolling.scopes);
            let next = match self.next_hour {
                Some(next) if scopes().any(|scope| scope.memory.is_active()) => next,
                // Nothing happens in hours in which nobody has spent anything lately.
                before => {
                    let first = scopes().filter_map(|scope| scope.memory.coming.keys().next()).min();
                    first.map_or(end, |first| end.min(*first)).max(before.unwrap_or(0))
                }
            };
            let is_jump = self.next_hour.replace(next) != Some(next);
            if next >= end {
                return if is_jump { self.look_at_all(rules, hour_start(next), moment) } else { Ok(()) };
            }
            for at in 0..self.budgets.len() {
                let budget = &rules.budgets[self.budgets[at].budget as usize];
                self.close_hour(at, next, rules, moment.revision).ok_or_else(|| BudgetOverflow::of(budget))?;
                self.budgets[at].forget(series);
            }
            self.next_hour = Some(next + 1);
            self.look_at_all(rules, hour_end(next), moment)?;
        }
        Ok(())
    }

    /// Another hour is the running one: something may have come of it before.
    fn look_at_all(&mut self, rules: &MonitorRules, occurred_at: Timestamp, moment: Moment) -> Result<(), BudgetOverflow> {
        let Some(hour) = self.next_hour else { return Ok(()) };
        for at in 0..self.budgets.len() {
            for place in 0..self.budgets[at].scopes.len() {
                let budget = &rules.budgets[self.budgets[at].budget as usize];
                let looked = self.look((at, place), rules, hour, occurred_at, moment.revision);
                looked.ok_or_else(|| BudgetOverflow::of(budget))?;
            }
        }
        Ok(())
    }

    fn close_hour(&mut self, at: usize, hour: u32, rules: &MonitorRules, revision: i64) -> Option<()> {
        let RollingBudget { budget, hours, scopes, .. } = &mut self.budgets[at];
        let budget = &rules.budgets[*budget as usize];
        // The same record may have made it the running hour's: one revision stands for one value.
        self.rows.retain(|row| row.revision != revision || row.hour != hour || *row.budget != *budget.name);
        for scope in scopes {
            let memory = &mut scope.memory;
            let is_active = memory.is_active() || memory.coming.contains_key(&hour);
            memory.settle(hour, *hours)?;
            let spent = memory.sum(budget, rules)?;
            let turns = climb(&mut memory.steps, budget.thresholds.len(), budget.reached(spent), QUIET_H);
            let about = About { budget, rules, scope: &scope.name, hours: *hours, hour, spent, occurred_at: hour_end(hour) };
            self.alerts.extend(turns.into_iter().map(|turn| about.alert(turn, memory)));
            memory.before = spent;
            if !is_any_on(&memory.steps) {
                // How often something was left counts within an episode only. What is kept of a quiet scope must not matter: whether it is kept
                // depends on what has come of later hours.
                memory.steps.clear();
            }
            if is_active {
                self.rows.push(about.row(memory, revision));
            }
        }
        Some(())
    }

    /// Looks at the running hour: tells what has been reached.
    fn look(&mut self, (at, place): (usize, usize), rules: &MonitorRules, hour: u32, occurred_at: Timestamp, revision: i64) -> Option<()> {
        let RollingBudget { budget, hours, scopes, .. } = &mut self.budgets[at];
        let budget = &rules.budgets[*budget as usize];
        let Scope { name, memory, .. } = scopes.get_mut(place)?;
        let Some(debits) = memory.coming.get(&hour).map(|coming| coming.debits).filter(|debits| *debits > Money::ZERO) else {
            return Some(());
        };
        memory.drop_before(hour, *hours);
        let spent = memory.sum(budget, rules)?.checked_add(converted(hour, debits, budget, rules)?)?;
        let turns = reach(&mut memory.steps, budget.thresholds.len(), budget.reached(spent));
        if !turns.is_empty() {
            let about = About { budget, rules, scope: name, hours: *hours, hour, spent, occurred_at };
            self.alerts.extend(turns.into_iter().map(|turn| about.alert(turn, memory)));
            self.rows.push(about.row(memory, revision));
        }
        Some(())
    }

    /// Writes what was judged.
    pub(super) fn flush(&mut self, rules: &MonitorRules, out: &mut dyn MonitorEffects) {
        for row in self.rows.drain(..) {
            let Some(budget) = rules.budgets.iter().find(|budget| *budget.name == *row.budget) else { continue };
            let window = window(budget, row.hour, rules);
            out.budget(&BudgetRow {
                budget: &budget.name,
                scope: if budget.per.is_empty() { "" } else { &row.scope },
                period: &budget.window.label(&rules.calendar, window),
                period_start: window.start,
                period_end: window.end,
                currency: budget.currency,
                spent: row.spent,
                limit: budget.limit,
                projection: None,
                level: row.level.map_or("", Level::name),
                revision: row.revision,
            });
        }
    }

    /// Scopes held.
    pub(super) fn len(&self) -> usize {
        self.budgets.iter().map(|rolling| rolling.scopes.len()).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        let of_scope = |scope: &Scope| size_of::<Scope>() + 64 + 40 * scope.memory.closed.len() + 96 * scope.memory.coming.len();
        self.budgets.iter().flat_map(|rolling| &rolling.scopes).map(of_scope).sum()
    }
}

impl RollingBudget {
    /// Lets go of scopes of which nothing is left.
    fn forget(&mut self, series: &mut SeriesIndex) {
        let is_kept = |memory: &Memory| memory.is_active() || !memory.coming.is_empty();
        if self.scopes.iter().all(|scope| is_kept(&scope.memory)) {
            return;
        }
        self.scopes.retain(|scope| {
            let stays = is_kept(&scope.memory);
            if !stays {
                series.release(scope.series);
            }
            stays
        });
        self.index = self.scopes.iter().enumerate().map(|(at, scope)| (scope.series, at)).collect();
    }
}

impl Coming {
    fn put(&mut self, hour: u32, amount: Money) -> Option<()> {
        if amount == Money::ZERO {
            return Some(());
        }
        add_to(&mut self.others, hour, amount)
    }
}

impl Memory {
    /// Is there something that the next closed hour changes, whatever comes in it?
    fn is_active(&self) -> bool {
        !self.closed.is_empty() || is_any_on(&self.steps)
    }

    /// Hours that have left the window that ends with `hour`.
    fn drop_before(&mut self, hour: u32, hours: u32) {
        self.closed = self.closed.split_off(&(hour + 1).saturating_sub(hours));
    }

    /// What came in this hour, which is closed, belongs to the closed hours. `None`: a sum does not fit.
    fn settle(&mut self, hour: u32, hours: u32) -> Option<()> {
        let coming = self.coming.remove(&hour).unwrap_or_default();
        for (of, amount) in coming.others.into_iter().chain([(hour, coming.debits)]) {
            if amount != Money::ZERO {
                let sum = self.closed.entry(of).or_default();
                *sum = sum.checked_add(amount)?;
            }
        }
        self.drop_before(hour, hours);
        Some(())
    }

    /// Of the closed hours, in the budget's currency. `None`: it does not fit.
    fn sum(&self, budget: &Budget, rules: &MonitorRules) -> Option<Money> {
        self.closed.iter().try_fold(Money::ZERO, |sum, (hour, amount)| sum.checked_add(converted(*hour, *amount, budget, rules)?))
    }

    /// All hours that it names.
    fn hours(&self) -> impl Iterator<Item = u32> {
        let late = self.coming.values().flat_map(|coming| coming.others.iter().map(|(hour, _)| *hour));
        self.closed.keys().chain(self.coming.keys()).copied().chain(late).chain([self.since])
    }
}

/// By the rate in force when the hour began; zero without one. `None`: it does not fit.
fn converted(hour: u32, amount: Money, budget: &Budget, rules: &MonitorRules) -> Option<Money> {
    match rules.rates.version_at(budget.currency, hour_start(hour)) {
        Some(rate) => amount.checked_mul_rate(rate.per_usd),
        None => Some(Money::ZERO),
    }
}

/// The budget's hours, of which this is the last.
fn window(budget: &Budget, hour: u32, rules: &MonitorRules) -> Window {
    budget.window.of(&rules.calendar, Bucket::of(hour_start(hour)))
}

/// What rows and alerts of one look at one scope have in common.
struct About<'a> {
    budget: &'a Budget,
    rules: &'a MonitorRules,
    scope: &'a str,
    hours: u32,
    hour: u32,
    spent: Money,
    occurred_at: Timestamp,
}

impl About<'_> {
    fn alert(&self, turn: Turn, memory: &mut Memory) -> Alert {
        let Self { budget, scope, hours, spent, .. } = *self;
        let (nth, repeat, state) = turn.parts();
        if state == AlertState::Fired {
            memory.since = self.hour;
        }
        let (threshold, window) = (&budget.thresholds[nth], window(budget, memory.since, self.rules));
        let period = budget.window.label(&self.rules.calendar, window);
        let level = if state == AlertState::Resolved { Level::Info } else { threshold.level };
        Alert {
            level: threshold.level,
            state,
            threshold: threshold.amount,
            current: spent,
            previous: memory.before,
            occurred_at: self.occurred_at,
            explanation: explanation::rolling(budget, threshold, scope, hours, spent, state),
            recommendation: explanation::recommendation(level).to_owned(),
            repeat,
            ..Alert::about(&budget.name, scope, &period, window, budget.currency)
        }
    }

    fn row(&self, memory: &Memory, revision: i64) -> Row {
        let on = memory.steps.iter().zip(&self.budget.thresholds).rfind(|(step, _)| step.is_on());
        Row {
            budget: self.budget.name.as_str().into(),
            scope: self.scope.into(),
            hour: self.hour,
            spent: self.spent,
            level: on.map(|(_, threshold)| threshold.level),
            revision,
        }
    }
}

/// What a snapshot keeps: scopes by budget, set and values.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RollingState {
    next_hour: Option<u32>,
    scopes: Vec<(String, Vec<Box<str>>, Memory)>,
    alerts: Vec<Alert>,
    rows: Vec<Row>,
}

impl RollingState {
    /// All hours that it names.
    pub(super) fn hours(&self) -> impl Iterator<Item = u32> {
        self.scopes.iter().flat_map(|(_, _, memory)| memory.hours()).chain(self.rows.iter().map(|row| row.hour)).chain(self.next_hour)
    }
}

impl Rolling {
    pub(super) fn state(&self, rules: &MonitorRules, series: &SeriesIndex) -> RollingState {
        let of_budget = |rolling: &'_ RollingBudget| {
            let name = rules.budgets[rolling.budget as usize].name.clone();
            let scopes = rolling.scopes.iter().map(move |scope| (name.clone(), series.values(scope.series).to_vec(), scope.memory.clone()));
            scopes.collect::<Vec<_>>()
        };
        let scopes = self.budgets.iter().flat_map(of_budget).collect();
        RollingState { next_hour: self.next_hour, scopes, alerts: self.alerts.clone(), rows: self.rows.clone() }
    }

    /// Puts a state back, of budgets that are still there: `is_same` says of which that is so.
    pub(super) fn restore(&mut self, state: RollingState, rules: &MonitorRules, series: &mut SeriesIndex, is_same: impl Fn(&str) -> bool) {
        (self.next_hour, self.alerts, self.rows) = (state.next_hour, state.alerts, state.rows);
        for (name, values, memory) in state.scopes {
            let is_it = |rolling: &&mut RollingBudget| rules.budgets[rolling.budget as usize].name == name && is_same(&name);
            let Some(rolling) = self.budgets.iter_mut().find(is_it) else { continue };
            let set = rules.budgets[rolling.budget as usize].grouping_set(&rules.sets).name;
            let Some(set) = rules.sets.iter().position(|known| known.name == set && known.key.len() == values.len()) else { continue };
            let id = series.intern(set as u16, &values);
            series.hold(id);
            let scope = name_of(&rules.sets[set], &values);
            rolling.index.insert(id, rolling.scopes.len());
            rolling.scopes.push(Scope { series: id, name: scope.into(), memory });
        }
    }
}

//! Budgets: what is spent of each, and the alerts about it.
//!
//! A budget's row shows all that was spent. What is *judged* must not depend on how partitions interleave, so each amount enters the judged
//! spend at a quarter hour that its own partition's log decides: what was spent (a debit) at that of its event, or the first that its
//! partition had not closed when it came; what lowers the spend (a credit) two quarter hours after that. The judged spend of
//! quarter hour q is the sum of all that entered up to q. It is looked at from when everything before q - 1 is closed by all inputs: all credits in
//! it are complete then, and it can only grow. So whether a threshold is ever reached is a function of the partitions' logs, and one is told at
//! once while no input is more than a quarter hour ahead of the slowest.
//!
//! A threshold that credits bring the spend below of is *left* when all inputs have closed the quarter hour that says so: its judged
//! spend is final then. So the states of a threshold follow the final sums of the quarter hours, one after the other, and those are a
//! function of the partitions' logs; that it is reached may be told before they are final, because they can only grow. Each threshold is
//! told and left by itself, and not told again within the hour after it was left, unless a higher one is told. How often it was left
//! before is part of the alert's id.
//!
//! Limits: a scope that stands for several values (`__other__`) is not judged; what its partition counted longer than `retain` after
//! the period's end, and a credit that would enter the judged spend later than that, is in no judgement.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use schemas::alert::{Alert, AlertState, Level, scope_text};
use schemas::budget::Budget;
use schemas::calendar::Window;
use schemas::rollup::BudgetRow;
use schemas::{Bucket, Measures, Money, Timestamp};

use super::period::Period;
use super::series::{SeriesId, SeriesIndex, name_of};
use super::slab::Slab;
use super::spend::{Spend, Sums, projection};
use super::standing::{QUIET, Standing, reached};
use super::{MonitorEffects, MonitorRules, NEVER, explanation};

/// Quarter hours after which a credit enters the judged spend. With two, the quarter hour that is open and the one after
/// it can be judged before they are closed.
const CREDIT_DELAY: u32 = 2;

/// An amount that is not settled in the judged spend yet: the quarter hour at which it enters, end of the period, budget, scope.
pub(super) type DueKey = (Bucket, Timestamp, u16, u32);

/// What a cell has grown by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) bucket: Bucket,
    /// The first quarter hour that the input had not closed when it counted this; the bucket itself, if that is later.
    pub(super) entered: Bucket,
    pub(super) series: SeriesId,
    pub(super) delta: &'a Measures,
}

impl Change<'_> {
    /// Is money in it?
    pub(super) fn spends(&self) -> bool {
        self.delta.cost != Money::ZERO || self.delta.credit != Money::ZERO
    }
}

/// Where the log stands when something happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Offset after the record.
    pub(super) revision: i64,
    /// Closed by all inputs.
    pub(super) closed: Timestamp,
    /// Closed by the most advanced input.
    pub(super) frontier: Timestamp,
}

/// The judged spend of a quarter hour.
#[derive(Clone, Copy, Debug)]
struct Look {
    bucket: Bucket,
    amount: Money,
    /// What an alert about it says.
    occurred_at: Timestamp,
}

/// The last quarter hour whose judged spend can be looked at.
fn judged_through(closed: Timestamp) -> Bucket {
    Bucket::of(closed).plus(CREDIT_DELAY - 1)
}

/// Is a period that ends at `end` still judged at this quarter hour? Later it has left the memory, in a run that closes slowly.
fn is_judged(bucket: Bucket, end: Timestamp, rules: &MonitorRules) -> bool {
    bucket.start() < end.plus(rules.retain_us)
}

/// The sum of a budget does not fit; says whose.
#[derive(Debug)]
pub(super) struct BudgetOverflow(pub(super) String);

impl BudgetOverflow {
    pub(super) fn of(budget: &Budget) -> Self {
        BudgetOverflow(format!("budget {}", budget.name))
    }
}

/// All budgets' periods in memory.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Budgets by the set that they watch.
    by_set: Vec<Vec<u16>>,
    pub(super) periods: Slab<Period>,
    /// Those not departed, by end and budget.
    pub(super) by_end: BTreeMap<(Timestamp, u16), u32>,
    pub(super) due: BTreeMap<DueKey, Sums>,
    /// Period and scope.
    pub(super) dirty: Vec<(u32, u32)>,
    pub(super) departed: Vec<u32>,
    scopes: usize,
    pub(super) alerts: Vec<Alert>,
    pub(super) late_changes: u64,
    pub(super) unrated_changes: u64,
}

impl Ledger {
    pub(super) fn new(rules: &MonitorRules) -> Self {
        let watched_by = |set| rules.budgets_of(set).filter(|(_, budget)| !budget.window.is_rolling()).map(|(at, _)| at).collect();
        Ledger {
            by_set: rules.sets.iter().map(watched_by).collect(),
            periods: Slab::default(),
            by_end: BTreeMap::new(),
            due: BTreeMap::new(),
            dirty: Vec::new(),
            departed: Vec::new(),
            scopes: 0,
            alerts: Vec::new(),
            late_changes: 0,
            unrated_changes: 0,
        }
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
            let budget = self.by_set[set][nth];
            self.add_to(budget, rules, change, moment, series).ok_or_else(|| BudgetOverflow::of(&rules.budgets[budget as usize]))?;
        }
        Ok(())
    }

    /// `None`: a sum does not fit.
    fn add_to(&mut self, budget: u16, rules: &MonitorRules, change: Change<'_>, moment: Moment, series: &mut SeriesIndex) -> Option<()> {
        let Change { bucket, entered, series: series_id, delta } = change;
        let definition = &rules.budgets[budget as usize];
        let window = definition.window.of(&rules.calendar, bucket);
        if window.end.plus(rules.retain_us) <= entered.start() {
            self.late_changes += 1;
            return Some(());
        }
        let slot = self.period(budget, rules, window);
        let period = self.periods.get_mut(slot)?;
        let at = match period.find(series_id) {
            Some(at) => at,
            None => {
                series.hold(series_id);
                self.scopes += 1;
                let set = &rules.sets[series.set_of(series_id) as usize];
                period.add(Spend::new(series_id, name_of(set, series.values(series_id)).into()))
            }
        };
        let spend = &mut period.scopes[at as usize];
        let Some(rate) = rules.rates.version_at(definition.currency, bucket.start()) else {
            spend.sums.unrated = true;
            self.unrated_changes += 1;
            self.notice_unrated(slot, definition);
            self.touch(slot, at, moment);
            return Some(());
        };
        spend.sums.add(rate.per_usd, delta.cost)?;
        spend.spent = spend.sums.spent()?;
        let debit = delta.cost.checked_sub(delta.credit)?;
        for (amount, enters) in [(debit, entered), (delta.credit, entered.plus(CREDIT_DELAY))] {
            if amount == Money::ZERO {
                continue;
            }
            if let Some(due) = self.entering((enters, window.end, budget, at), rules) {
                due.add(rate.per_usd, amount)?;
            }
        }
        self.judge((slot, at), rules, entered, delta.last_event_at, moment)?;
        self.touch(slot, at, moment);
        Some(())
    }

    /// What enters then; `None`: its period has left the memory by then, in every run.
    fn entering(&mut self, key: DueKey, rules: &MonitorRules) -> Option<&mut Sums> {
        let (enters, end, ..) = key;
        is_judged(enters, end, rules).then(|| self.due.entry(key).or_default())
    }

    fn period(&mut self, budget: u16, rules: &MonitorRules, window: Window) -> u32 {
        let periods = &mut self.periods;
        let label = || rules.budgets[budget as usize].window.label(&rules.calendar, window);
        let open = || periods.insert(Period::new(budget, window, label().into()));
        *self.by_end.entry((window.end, budget)).or_insert_with(open)
    }

    fn touch(&mut self, slot: u32, at: u32, moment: Moment) {
        let Some(period) = self.periods.get_mut(slot) else { return };
        let spend = &mut period.scopes[at as usize];
        (spend.revision, spend.frontier) = (moment.revision, moment.frontier);
        if !spend.dirty {
            spend.dirty = true;
            period.dirty_scopes += 1;
            self.dirty.push((slot, at));
        }
    }

    /// Looks at the judged spend of the quarter hours from `from` on, as far as that can be done yet.
    fn judge(&mut self, (slot, at): (u32, u32), rules: &MonitorRules, from: Bucket, occurred_at: Timestamp, moment: Moment) -> Option<()> {
        let (open, last) = (Bucket::of(moment.closed), judged_through(moment.closed));
        let period = self.periods.get(slot)?;
        let budget = &rules.budgets[period.budget as usize];
        let spend = period.scopes.get(at as usize)?;
        let all_on = spend.standings.len() == budget.thresholds.len() && spend.standings.iter().all(|standing| standing.is_on);
        if from > last || all_on {
            return Some(());
        }
        let mut sums = spend.judged.clone();
        let (end, number) = (period.window.end, period.budget);
        let buckets = (open.number()..=last.number()).map(Bucket::from_number);
        for bucket in buckets.take_while(|bucket| is_judged(*bucket, end, rules)) {
            if let Some(due) = self.due.get(&(bucket, end, number, at)) {
                sums.merge(due)?;
            }
            if bucket >= from {
                self.fire((slot, at), budget, Look { bucket, amount: sums.spent()?, occurred_at }, moment);
            }
        }
        Some(())
    }

    /// Tells the thresholds that are reached and were not, the lowest first. Returns how many are reached.
    fn fire(&mut self, (slot, at): (u32, u32), budget: &Budget, look: Look, moment: Moment) -> usize {
        let Some(period) = self.periods.get_mut(slot) else { return 0 };
        let window = period.window;
        let spend = &mut period.scopes[at as usize];
        let before = std::mem::replace(&mut spend.reached, look.amount);
        let count = reached(&budget.thresholds, &spend.standings, look.bucket, look.amount);
        if count > 0 && spend.standings.is_empty() {
            spend.standings = vec![Standing::NEW; budget.thresholds.len()];
        }
        let projected = projection(look.amount, window.start, window.end, moment.frontier);
        let mut has_fired = false;
        for (nth, threshold) in budget.thresholds[..count].iter().enumerate() {
            let standing = &mut spend.standings[nth];
            if standing.is_on {
                continue;
            }
            (standing.is_on, has_fired) = (true, true);
            self.alerts.push(Alert {
                level: threshold.level,
                state: if nth == 0 { AlertState::Fired } else { AlertState::Escalated },
                threshold: threshold.amount,
                current: look.amount,
                previous: before,
                occurred_at: look.occurred_at,
                projection: projected,
                explanation: explanation::crossed(budget, threshold, &spend.scope, &period.name, look.amount, projected),
                recommendation: explanation::recommendation(threshold.level).to_owned(),
                repeat: standing.times_left,
                ..about(budget, &spend.scope, &period.name, window)
            });
        }
        if has_fired {
            if window.end <= moment.closed {
                self.tell_reset(slot, at, budget);
            }
            self.touch(slot, at, moment);
        }
        count
    }

    /// Draws the consequences of a quarter hour's final judged spend.
    fn conclude(&mut self, place: (u32, u32), rules: &MonitorRules, look: Look, moment: Moment) {
        let Some(period) = self.periods.get(place.0) else { return };
        let (budget, end) = (period.budget, period.window.end);
        let definition = &rules.budgets[budget as usize];
        if self.leave(place, definition, look, moment) {
            // With nothing in it, but looked at: the spend may be back by then.
            self.entering((look.bucket.plus(QUIET), end, budget, place.1), rules);
        }
        let count = self.fire(place, definition, look, moment);
        let spend = self.periods.get_mut(place.0).and_then(|period| period.scopes.get_mut(place.1 as usize));
        for standing in spend.into_iter().flat_map(|spend| spend.standings.iter_mut().take(count)) {
            standing.is_confirmed = true;
        }
    }

    /// Tells the thresholds that were reached and are not any more, the highest first. Are there any?
    fn leave(&mut self, (slot, at): (u32, u32), budget: &Budget, look: Look, moment: Moment) -> bool {
        let Some(period) = self.periods.get_mut(slot) else { return false };
        let window = period.window;
        let spend = &mut period.scopes[at as usize];
        let mut has_left = false;
        for (standing, threshold) in spend.standings.iter_mut().zip(&budget.thresholds).rev() {
            if !standing.is_confirmed || look.amount >= threshold.amount {
                continue;
            }
            self.alerts.push(Alert {
                level: threshold.level,
                state: AlertState::Resolved,
                threshold: threshold.amount,
                current: look.amount,
                previous: spend.reached,
                occurred_at: look.occurred_at,
                projection: projection(look.amount, window.start, window.end, moment.frontier),
                explanation: explanation::left(budget, threshold, &spend.scope, &period.name, look.amount),
                repeat: standing.times_left,
                ..about(budget, &spend.scope, &period.name, window)
            });
            let (times_left, quiet_before) = (standing.times_left.saturating_add(1), look.bucket.plus(QUIET));
            *standing = Standing { is_on: false, is_confirmed: false, times_left, quiet_before };
            has_left = true;
        }
        if has_left {
            self.touch(slot, at, moment);
        }
        has_left
    }

    /// Once per scope and period in which something fired, when all inputs have closed it.
    fn tell_reset(&mut self, slot: u32, at: u32, budget: &Budget) {
        let Some(period) = self.periods.get_mut(slot) else { return };
        let spend = &mut period.scopes[at as usize];
        if spend.reset || !spend.standings.iter().any(Standing::was_told) {
            return;
        }
        spend.reset = true;
        self.alerts.push(Alert {
            state: AlertState::PeriodReset,
            // Part of the id: always the lowest, whatever fired.
            threshold: budget.thresholds.first().map_or(budget.limit, |threshold| threshold.amount),
            previous: spend.spent,
            occurred_at: period.window.end,
            explanation: explanation::period_over(budget, &spend.scope, &period.name, spend.spent),
            ..about(budget, &spend.scope, &period.name, period.window)
        });
    }

    /// Once per budget and period; the same from every shard.
    fn notice_unrated(&mut self, slot: u32, budget: &Budget) {
        let Some(period) = self.periods.get_mut(slot).filter(|period| !period.noticed) else { return };
        period.noticed = true;
        self.alerts.push(Alert {
            level: Level::Warning,
            explanation: explanation::no_rate(budget, &period.name),
            recommendation: explanation::add_rate(budget),
            ..about(budget, &scope_text([]), &period.name, period.window)
        });
    }

    /// All inputs have closed everything before `moment.closed`, which was `before`.
    pub(super) fn close(&mut self, rules: &MonitorRules, before: Timestamp, moment: Moment) -> Result<(), BudgetOverflow> {
        self.settle(rules, before, moment)?;
        let range = (Excluded((before, u16::MAX)), Included((moment.closed, u16::MAX)));
        let closing: Vec<(u16, u32)> = self.by_end.range(range).map(|(key, slot)| (key.1, *slot)).collect();
        for (budget, slot) in closing {
            let scopes = self.periods.get(slot).map_or(0, |period| period.scopes.len()) as u32;
            for at in 0..scopes {
                self.tell_reset(slot, at, &rules.budgets[budget as usize]);
                self.touch(slot, at, moment);
            }
        }
        Ok(())
    }

    /// What entered at quarter hours that are closed now stays; what can be looked at now and could not before is judged.
    fn settle(&mut self, rules: &MonitorRules, before: Timestamp, moment: Moment) -> Result<(), BudgetOverflow> {
        let (judged, open, last) = (judged_through(before), Bucket::of(moment.closed), judged_through(moment.closed));
        let overflow = |budget: u16| BudgetOverflow::of(&rules.budgets[budget as usize]);
        while let Some(first) = self.due.first_entry().filter(|entry| entry.key().0 < open) {
            let ((bucket, end, budget, at), due) = first.remove_entry();
            let Some(slot) = self.by_end.get(&(end, budget)).copied() else { continue };
            let Some(spend) = self.periods.get_mut(slot).and_then(|period| period.scopes.get_mut(at as usize)) else { continue };
            spend.judged.merge(&due).ok_or_else(|| overflow(budget))?;
            // Else it was looked at, and reached nothing.
            if bucket > judged || !spend.standings.is_empty() {
                let amount = spend.judged.spent().ok_or_else(|| overflow(budget))?;
                self.conclude((slot, at), rules, Look { bucket, amount, occurred_at: bucket.end() }, moment);
            }
        }
        let at_first = |bucket: Bucket| (bucket, NEVER, 0, 0);
        let opened: Vec<DueKey> = self.due.range(at_first(judged.plus(1))..at_first(last.plus(1))).map(|(key, _)| *key).collect();
        for (bucket, end, budget, at) in opened {
            let Some(slot) = self.by_end.get(&(end, budget)).copied() else { continue };
            let looked = self.judge((slot, at), rules, bucket, bucket.end(), moment);
            looked.ok_or_else(|| overflow(budget))?;
        }
        Ok(())
    }

    /// Lets go of periods that ended at or before `until`.
    pub(super) fn evict(&mut self, until: Timestamp, series: &mut SeriesIndex) {
        while let Some(first) = self.by_end.first_entry().filter(|entry| entry.key().0 <= until) {
            let slot = first.remove();
            match self.periods.get_mut(slot) {
                Some(period) if period.dirty_scopes > 0 => {
                    period.departed = true;
                    self.departed.push(slot);
                }
                _ => self.drop_period(slot, series),
            }
        }
    }

    fn drop_period(&mut self, slot: u32, series: &mut SeriesIndex) {
        let Some(period) = self.periods.remove(slot) else { return };
        self.scopes -= period.scopes.len();
        for spend in &period.scopes {
            series.release(spend.series);
        }
    }

    /// Puts a period from a snapshot in place.
    pub(super) fn adopt(&mut self, rules: &MonitorRules, mut period: Period) -> u32 {
        let definition = &rules.budgets[period.budget as usize];
        period.name = definition.window.label(&rules.calendar, period.window).into();
        let key = (period.window.end, period.budget);
        let departed = period.departed;
        self.scopes += period.scopes.len();
        let slot = self.periods.insert(period);
        if departed {
            self.departed.push(slot);
        } else {
            self.by_end.insert(key, slot);
        }
        slot
    }

    /// Does the budget watch this set?
    pub(super) fn watches(&self, budget: u16, set: u16) -> bool {
        self.by_set.get(set as usize).is_some_and(|budgets| budgets.contains(&budget))
    }

    /// Writes what has changed.
    pub(super) fn flush(&mut self, rules: &MonitorRules, series: &mut SeriesIndex, out: &mut dyn MonitorEffects) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for (slot, at) in dirty.drain(..) {
            let Some(period) = self.periods.get_mut(slot) else { continue };
            let spend = &mut period.scopes[at as usize];
            spend.dirty = false;
            period.dirty_scopes -= 1;
            let budget = &rules.budgets[period.budget as usize];
            let highest = spend.standings.iter().zip(&budget.thresholds).rfind(|(standing, _)| standing.is_on);
            out.budget(&BudgetRow {
                budget: &budget.name,
                scope: if budget.per.is_empty() { "" } else { &spend.scope },
                period: &period.name,
                period_start: period.window.start,
                period_end: period.window.end,
                currency: budget.currency,
                spent: spend.spent,
                limit: budget.limit,
                projection: projection(spend.spent, period.window.start, period.window.end, spend.frontier),
                level: highest.map_or("", |(_, threshold)| threshold.level.name()),
                revision: spend.revision,
            });
        }
        self.dirty = dirty;
        for slot in std::mem::take(&mut self.departed) {
            self.drop_period(slot, series);
        }
    }

    /// Budget states held.
    pub(super) fn len(&self) -> usize {
        self.scopes
    }

    pub(super) fn bytes(&self) -> usize {
        self.periods.values().map(Period::bytes).sum::<usize>() + self.due.len() * 128
    }
}

/// An alert in which only what it is about is said.
fn about(budget: &Budget, scope: &str, period: &str, window: Window) -> Alert {
    let recommendation = explanation::recommendation(Level::Info).to_owned();
    Alert { recommendation, ..Alert::about(&budget.name, scope, period, window, budget.currency) }
}

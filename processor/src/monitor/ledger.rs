//! Budgets: what is spent of each, and the alerts about it.
//!
//! Spend that can only grow (positive costs) counts at once, what lowers it (credits) when its bucket is closed by all inputs. A
//! threshold fires once per scope and period and stays fired. Limits: a scope that stands for several values
//! (`__other__`) is not judged; what comes for a period that was closed longer than `retain` ago is in the rollups only.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use schemas::alert::{Alert, AlertState, Level, scope_text};
use schemas::budget::Budget;
use schemas::calendar::Window;
use schemas::grouping::OTHER;
use schemas::rollup::BudgetRow;
use schemas::{Bucket, Measures, Money, Timestamp};

use super::period::Period;
use super::series::{SeriesId, SeriesIndex};
use super::slab::Slab;
use super::spend::{Spend, Sums, projection};
use super::{MonitorEffects, MonitorRules, explanation};

/// A credit that waits for its bucket to be closed: bucket, end of the period, budget, scope.
pub(super) type PendingKey = (Bucket, Timestamp, u16, u32);

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

/// The sum of a budget does not fit; says whose.
#[derive(Debug)]
pub(super) struct BudgetOverflow(pub(super) String);

/// All budgets' periods in memory.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Budgets by the set that they watch.
    by_set: Vec<Vec<u16>>,
    pub(super) periods: Slab<Period>,
    /// Those not departed, by end and budget.
    pub(super) by_end: BTreeMap<(Timestamp, u16), u32>,
    pub(super) pending: BTreeMap<PendingKey, Money>,
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
        let watched_by = |name: &str| {
            let watches = |budget: &Budget| budget.grouping_set(&rules.sets).name == name;
            rules.budgets.iter().enumerate().filter(|(_, budget)| watches(budget)).map(|(index, _)| index as u16).collect()
        };
        Ledger {
            by_set: rules.sets.iter().map(|set| watched_by(&set.name)).collect(),
            periods: Slab::default(),
            by_end: BTreeMap::new(),
            pending: BTreeMap::new(),
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
        (bucket, series_id): (Bucket, SeriesId),
        delta: &Measures,
        moment: Moment,
        series: &mut SeriesIndex,
    ) -> Result<(), BudgetOverflow> {
        let set = series.set_of(series_id) as usize;
        let spends = delta.cost != Money::ZERO || delta.credit != Money::ZERO;
        if self.by_set[set].is_empty() || !spends || series.values(series_id).iter().any(|value| **value == *OTHER) {
            return Ok(());
        }
        for nth in 0..self.by_set[set].len() {
            let budget = self.by_set[set][nth];
            self.add_to(budget, rules, (bucket, series_id), delta, moment, series)?;
        }
        Ok(())
    }

    fn add_to(
        &mut self,
        budget: u16,
        rules: &MonitorRules,
        (bucket, series_id): (Bucket, SeriesId),
        delta: &Measures,
        moment: Moment,
        series: &mut SeriesIndex,
    ) -> Result<(), BudgetOverflow> {
        let definition = &rules.budgets[budget as usize];
        let window = definition.window.of(&rules.calendar, bucket);
        if window.end.plus(rules.retain_us) <= moment.closed {
            self.late_changes += 1;
            return Ok(());
        }
        let slot = self.period(budget, rules, window);
        let Some(period) = self.periods.get_mut(slot) else { return Ok(()) };
        let at = match period.find(series_id) {
            Some(at) => at,
            None => {
                series.hold(series_id);
                self.scopes += 1;
                let set = &rules.sets[series.set_of(series_id) as usize];
                let values = series.values(series_id).iter().map(|value| &**value);
                period.add(Spend::new(series_id, scope_text(set.key.iter().copied().zip(values)).into()))
            }
        };
        let spend = &mut period.scopes[at as usize];
        let Some(rate) = rules.rates.version_at(definition.currency, bucket.start()) else {
            spend.sums.unrated = true;
            self.unrated_changes += 1;
            self.notice_unrated(slot, definition);
            self.touch(slot, at, moment);
            return Ok(());
        };
        let overflow = || BudgetOverflow(format!("budget {}", definition.name));
        // Both parts count in this order whether the bucket is closed or not, so that a crossing depends on that less.
        let debit = delta.cost.checked_sub(delta.credit).ok_or_else(overflow)?;
        let before = spend.spent;
        spend.sums.add(rate.per_usd, debit).ok_or_else(overflow)?;
        spend.spent = spend.sums.spent().ok_or_else(overflow)?;
        self.judge((slot, at), definition, before, delta.last_event_at, moment);
        self.touch(slot, at, moment);
        if delta.credit != Money::ZERO {
            let sum = self.pending.entry((bucket, window.end, budget, at)).or_insert(Money::ZERO);
            *sum = sum.checked_add(delta.credit).ok_or_else(overflow)?;
            if bucket.end() <= moment.closed {
                self.settle(rules, moment)?;
            }
        }
        Ok(())
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

    /// Fires the thresholds that are reached, the lowest first.
    fn judge(&mut self, (slot, at): (u32, u32), budget: &Budget, before: Money, occurred_at: Timestamp, moment: Moment) {
        let Some(period) = self.periods.get_mut(slot) else { return };
        let window = period.window;
        let spend = &mut period.scopes[at as usize];
        if spend.sums.unrated {
            return;
        }
        let projected = projection(spend.spent, window.start, window.end, moment.frontier);
        while let Some(threshold) = budget.thresholds.get(spend.fired as usize).filter(|threshold| spend.spent >= threshold.amount) {
            let state = if spend.fired == 0 { AlertState::Fired } else { AlertState::Escalated };
            spend.fired += 1;
            self.alerts.push(Alert {
                rule: budget.name.clone(),
                scope: spend.scope.to_string(),
                period: period.name.to_string(),
                period_start: window.start,
                period_end: window.end,
                level: threshold.level,
                state,
                threshold: threshold.amount,
                current: spend.spent,
                previous: before,
                currency: budget.currency,
                occurred_at,
                projection: projected,
                explanation: explanation::crossed(budget, threshold, &spend.scope, &period.name, spend.spent, projected),
                recommendation: explanation::recommendation(threshold.level).to_owned(),
                permalink: None,
            });
        }
        if window.end <= moment.closed {
            self.tell_reset(slot, at, budget);
        }
    }

    /// Once per scope and period in which something fired, when all inputs have closed it.
    fn tell_reset(&mut self, slot: u32, at: u32, budget: &Budget) {
        let Some(period) = self.periods.get_mut(slot) else { return };
        let spend = &mut period.scopes[at as usize];
        if spend.fired == 0 || spend.reset {
            return;
        }
        spend.reset = true;
        self.alerts.push(Alert {
            rule: budget.name.clone(),
            scope: spend.scope.to_string(),
            period: period.name.to_string(),
            period_start: period.window.start,
            period_end: period.window.end,
            level: Level::Info,
            state: AlertState::PeriodReset,
            // Part of the id: always the lowest, whatever fired.
            threshold: budget.thresholds.first().map_or(budget.limit, |threshold| threshold.amount),
            current: Money::ZERO,
            previous: spend.spent,
            currency: budget.currency,
            occurred_at: period.window.end,
            projection: None,
            explanation: explanation::period_over(budget, &spend.scope, &period.name, spend.spent),
            recommendation: explanation::recommendation(Level::Info).to_owned(),
            permalink: None,
        });
    }

    /// Once per budget and period; the same from every shard.
    fn notice_unrated(&mut self, slot: u32, budget: &Budget) {
        let Some(period) = self.periods.get_mut(slot).filter(|period| !period.noticed) else { return };
        period.noticed = true;
        self.alerts.push(Alert {
            rule: budget.name.clone(),
            scope: scope_text([]),
            period: period.name.to_string(),
            period_start: period.window.start,
            period_end: period.window.end,
            level: Level::Warning,
            state: AlertState::Fired,
            threshold: Money::ZERO,
            current: Money::ZERO,
            previous: Money::ZERO,
            currency: budget.currency,
            occurred_at: period.window.start,
            projection: None,
            explanation: explanation::no_rate(budget, &period.name),
            recommendation: explanation::add_rate(budget),
            permalink: None,
        });
    }

    /// Takes in the credits of closed buckets.
    fn settle(&mut self, rules: &MonitorRules, moment: Moment) -> Result<(), BudgetOverflow> {
        while let Some(first) = self.pending.first_entry().filter(|entry| entry.key().0.end() <= moment.closed) {
            let ((bucket, end, budget, at), credit) = first.remove_entry();
            let definition = &rules.budgets[budget as usize];
            let overflow = || BudgetOverflow(format!("budget {}", definition.name));
            let rate = rules.rates.version_at(definition.currency, bucket.start());
            let slot = self.by_end.get(&(end, budget)).copied();
            let (Some(rate), Some(slot)) = (rate, slot) else { continue };
            let Some(spend) = self.periods.get_mut(slot).and_then(|period| period.scopes.get_mut(at as usize)) else { continue };
            spend.sums.add(rate.per_usd, credit).ok_or_else(overflow)?;
            spend.spent = spend.sums.spent().ok_or_else(overflow)?;
            self.touch(slot, at, moment);
        }
        Ok(())
    }

    /// All inputs have closed everything before `moment.closed`, which was `before`.
    pub(super) fn close(&mut self, rules: &MonitorRules, before: Timestamp, moment: Moment) -> Result<(), BudgetOverflow> {
        self.settle(rules, moment)?;
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
            let level = (spend.fired as usize).checked_sub(1).and_then(|highest| budget.thresholds.get(highest));
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
                level: level.map_or("", |threshold| threshold.level.name()),
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
        self.periods.values().map(Period::bytes).sum::<usize>() + self.pending.len() * 64
    }
}

impl Spend {
    pub(super) fn new(series: SeriesId, scope: Box<str>) -> Self {
        let never = Timestamp::from_micros(i64::MIN);
        let sums = Sums::default();
        Spend { series, scope, sums, spent: Money::ZERO, fired: 0, reset: false, dirty: false, revision: 0, frontier: never }
    }
}

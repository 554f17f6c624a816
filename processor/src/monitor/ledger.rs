//! Budgets: what is spent of each, and the alerts about it.
//!
//! A budget's row shows all that was spent. What is *judged* must not depend on how partitions interleave, so each amount enters the judged
//! spend at a quarter hour that its own partition's log decides: what was spent (a debit) at that of its event, or the first that its
//! partition had not closed when it came; what lowers the spend (a credit) two quarter hours after that. The judged spend of
//! quarter hour q is the sum of all that entered up to q. It is looked at from when everything before q - 1 is closed by all inputs: all credits in
//! it are complete then, and it can only grow. So whether a threshold is ever reached is a function of the partitions' logs, and one is told at
//! once while no input is more than a quarter hour ahead of the slowest.
//!
//! A threshold fires once per scope and period and stays fired. Limits: a scope that stands for several values (`__other__`) is
//! not judged; what its partition counted longer than `retain` after the period's end is in the rollups only.

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

/// The last quarter hour whose judged spend can be looked at.
fn judged_through(closed: Timestamp) -> Bucket {
    Bucket::of(closed).plus(CREDIT_DELAY - 1)
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
        let watched_by = |name: &str| {
            let watches = |budget: &Budget| budget.grouping_set(&rules.sets).name == name;
            rules.budgets.iter().enumerate().filter(|(_, budget)| watches(budget)).map(|(index, _)| index as u16).collect()
        };
        Ledger {
            by_set: rules.sets.iter().map(|set| watched_by(&set.name)).collect(),
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
        let spends = change.delta.cost != Money::ZERO || change.delta.credit != Money::ZERO;
        if self.by_set[set].is_empty() || !spends || series.values(change.series).iter().any(|value| **value == *OTHER) {
            return Ok(());
        }
        for nth in 0..self.by_set[set].len() {
            let budget = self.by_set[set][nth];
            let name = || BudgetOverflow(format!("budget {}", rules.budgets[budget as usize].name));
            self.add_to(budget, rules, change, moment, series).ok_or_else(name)?;
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
            return Some(());
        };
        spend.sums.add(rate.per_usd, delta.cost)?;
        spend.spent = spend.sums.spent()?;
        let debit = delta.cost.checked_sub(delta.credit)?;
        for (amount, enters) in [(debit, entered), (delta.credit, entered.plus(CREDIT_DELAY))] {
            if amount != Money::ZERO {
                self.due.entry((enters, window.end, budget, at)).or_default().add(rate.per_usd, amount)?;
            }
        }
        self.judge((slot, at), definition, entered, delta.last_event_at, moment)?;
        self.touch(slot, at, moment);
        Some(())
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
    fn judge(&mut self, (slot, at): (u32, u32), budget: &Budget, from: Bucket, occurred_at: Timestamp, moment: Moment) -> Option<()> {
        let (open, last) = (Bucket::of(moment.closed), judged_through(moment.closed));
        let period = self.periods.get(slot)?;
        let spend = period.scopes.get(at as usize)?;
        if from > last || spend.fired as usize == budget.thresholds.len() {
            return Some(());
        }
        let mut sums = spend.judged.clone();
        let (end, number) = (period.window.end, period.budget);
        for bucket in (open.number()..=last.number()).map(Bucket::from_number) {
            if let Some(due) = self.due.get(&(bucket, end, number, at)) {
                sums.merge(due)?;
            }
            if bucket >= from {
                self.fire((slot, at), budget, sums.spent()?, occurred_at, moment);
            }
        }
        Some(())
    }

    /// Fires the thresholds that `amount` reaches, the lowest first.
    fn fire(&mut self, (slot, at): (u32, u32), budget: &Budget, amount: Money, occurred_at: Timestamp, moment: Moment) {
        let Some(period) = self.periods.get_mut(slot) else { return };
        let window = period.window;
        let spend = &mut period.scopes[at as usize];
        let (before, fired_before) = (std::mem::replace(&mut spend.reached, amount), spend.fired);
        let projected = projection(amount, window.start, window.end, moment.frontier);
        while let Some(threshold) = budget.thresholds.get(spend.fired as usize).filter(|threshold| amount >= threshold.amount) {
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
                current: amount,
                previous: before,
                currency: budget.currency,
                occurred_at,
                projection: projected,
                explanation: explanation::crossed(budget, threshold, &spend.scope, &period.name, amount, projected),
                recommendation: explanation::recommendation(threshold.level).to_owned(),
                permalink: None,
            });
        }
        if spend.fired > fired_before {
            if window.end <= moment.closed {
                self.tell_reset(slot, at, budget);
            }
            self.touch(slot, at, moment);
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
        let overflow = |budget: u16| BudgetOverflow(format!("budget {}", rules.budgets[budget as usize].name));
        while let Some(first) = self.due.first_entry().filter(|entry| entry.key().0 < open) {
            let ((bucket, end, budget, at), due) = first.remove_entry();
            // Its period has left the memory, if it is a credit that enters after the retention.
            let Some(slot) = self.by_end.get(&(end, budget)).copied() else { continue };
            let Some(spend) = self.periods.get_mut(slot).and_then(|period| period.scopes.get_mut(at as usize)) else { continue };
            spend.judged.merge(&due).ok_or_else(|| overflow(budget))?;
            if bucket > judged {
                let amount = spend.judged.spent().ok_or_else(|| overflow(budget))?;
                self.fire((slot, at), &rules.budgets[budget as usize], amount, bucket.end(), moment);
            }
        }
        let at_first = |bucket: Bucket| (bucket, NEVER, 0, 0);
        let opened: Vec<DueKey> = self.due.range(at_first(judged.plus(1))..at_first(last.plus(1))).map(|(key, _)| *key).collect();
        for (bucket, end, budget, at) in opened {
            let Some(slot) = self.by_end.get(&(end, budget)).copied() else { continue };
            let looked = self.judge((slot, at), &rules.budgets[budget as usize], bucket, bucket.end(), moment);
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
        self.periods.values().map(Period::bytes).sum::<usize>() + self.due.len() * 128
    }
}

impl Spend {
    pub(super) fn new(series: SeriesId, scope: Box<str>) -> Self {
        let never = Timestamp::from_micros(i64::MIN);
        let sums = Sums::default();
        let judged = Sums::default();
        Spend {
            series,
            scope,
            sums,
            spent: Money::ZERO,
            judged,
            reached: Money::ZERO,
            fired: 0,
            reset: false,
            dirty: false,
            revision: 0,
            frontier: never,
        }
    }
}

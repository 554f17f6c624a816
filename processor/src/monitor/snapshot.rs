//! The monitor's state as bytes. Equal states have equal bytes: series are numbered by their first appearance.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use schemas::alert::Alert;
use schemas::budget::{Budget, BudgetWindow};
use schemas::calendar::Window;
use schemas::rollup::Granularity;
use schemas::{Accounts, Bucket, GroupingSet, Measures, Money, Timestamp};
use serde::{Deserialize, Serialize};

use super::input::{CellTable, HeldCell, Input};
use super::period::Period;
use super::rolling::RollingState;
use super::series::{SeriesId, name_of};
use super::snapshot_v1;
use super::spend::{Spend, Sums};
use super::standing::{Standing, carried_over};
use super::watch::{AnomalyState, LAST_HOUR, PaceState, WatchState};
use super::windows::{Row, WindowTable, window_of};
use super::{Monitor, MonitorRules};
use crate::state_bytes::{LazySeq, Parts, state_bytes};

/// First byte of the state.
///
/// Version 5 is the same with detectors of spikes that remember otherwise; they are read, and become those of today with their next hour.
pub const SNAPSHOT_VERSION: u8 = 6;
/// Version 5 without anomalies that are not written.
const UNEXPLAINED_VERSION: u8 = 4;
/// The same without what projecting keeps.
const UNPROJECTED_VERSION: u8 = 3;
/// The same without what watching keeps.
const UNWATCHED_VERSION: u8 = 2;

/// Why bytes are no state of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Written by a newer program.
    #[error(
        "monitor state has format version {0}, this program reads versions 1 to {SNAPSHOT_VERSION}: run the version that wrote it, or a newer one"
    )]
    Version(u8),
    /// Not the state of a monitor.
    #[error("monitor state cannot be read: {0}")]
    Malformed(String),
    /// A record was taken in part.
    #[error("the monitor has failed, its state must not be kept: restore it from the snapshot before")]
    Failed,
}

/// A state, written from borrowed parts without a copy of cells, rows and scopes. It is read part by part: [`Head`], inputs, windows, [`Tail`].
#[derive(Serialize)]
struct State<'a, S, I, W, P, D> {
    shard: i32,
    position: i64,
    closed: Timestamp,
    frontier: Timestamp,
    sets: &'a [GroupingSet],
    series: S,
    inputs: I,
    windows: W,
    /// Window and row, by their position in here.
    dirty_rows: Vec<(u32, u32)>,
    budgets: &'a [Budget],
    periods: P,
    /// Period and scope, by their position in here.
    dirty_scopes: Vec<(u32, u32)>,
    due: D,
    alerts: &'a [Alert],
}

/// What stands before the inputs.
#[derive(Deserialize)]
struct Head<'a> {
    shard: i32,
    position: i64,
    closed: Timestamp,
    frontier: Timestamp,
    sets: Vec<GroupingSet>,
    #[serde(borrow)]
    series: Vec<SeriesState<Vec<&'a str>>>,
}

/// What stands behind the windows.
#[derive(Deserialize)]
pub(super) struct Tail<P, A> {
    pub(super) dirty_rows: Vec<(u32, u32)>,
    pub(super) budgets: Vec<Budget>,
    pub(super) periods: Vec<P>,
    pub(super) dirty_scopes: Vec<(u32, u32)>,
    pub(super) due: Vec<DueState<'static>>,
    pub(super) alerts: Vec<A>,
}

#[derive(Serialize, Deserialize)]
struct SeriesState<V> {
    set: u16,
    values: V,
}

#[derive(Serialize, Deserialize)]
struct InputState<'a, T> {
    topic: Cow<'a, str>,
    partition: i32,
    inputs: i32,
    shards: i32,
    known_through: i64,
    closed_before: Timestamp,
    accounts: Accounts,
    revision: i64,
    dirty: bool,
    tables: T,
}

#[derive(Serialize, Deserialize)]
struct CellTableState<C> {
    bucket: Bucket,
    generation: i64,
    cells: C,
}

#[derive(Serialize)]
struct CellState {
    series: u32,
    version: i64,
    measures: Measures,
}

#[derive(Serialize, Deserialize)]
struct WindowState<R> {
    granularity: Granularity,
    window: Window,
    departed: bool,
    rows: R,
}

#[derive(Serialize)]
struct RowState {
    series: u32,
    generation: i64,
    revision: i64,
    measures: Measures,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PeriodState<S> {
    pub(super) budget: u16,
    pub(super) window: Window,
    pub(super) noticed: bool,
    pub(super) departed: bool,
    pub(super) scopes: S,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ScopeState<'a> {
    pub(super) series: u32,
    pub(super) scope: Cow<'a, str>,
    pub(super) sums: Cow<'a, Sums>,
    pub(super) judged: Cow<'a, Sums>,
    pub(super) reached: Money,
    pub(super) standings: Cow<'a, [Standing]>,
    pub(super) reset: bool,
    pub(super) revision: i64,
    pub(super) frontier: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DueState<'a> {
    bucket: Bucket,
    period_end: Timestamp,
    budget: u16,
    scope: u32,
    sums: Cow<'a, Sums>,
}

/// A period as it is read.
pub(super) type ReadPeriod = PeriodState<Vec<ScopeState<'static>>>;

/// Where a window's rows are now.
struct Restored {
    slot: u32,
    /// Positions of the rows that were left out, ascending.
    gone: Vec<u32>,
}

impl Restored {
    /// The position of the row that the snapshot had there.
    fn now(&self, at: u32) -> Option<u32> {
        self.gone.binary_search(&at).err().map(|before| at - before as u32)
    }
}

/// Numbers series by their first appearance.
#[derive(Default)]
struct Numbering {
    /// By series; `u32::MAX`: not seen.
    numbers: Vec<u32>,
    /// By number.
    seen: Vec<SeriesId>,
}

impl Numbering {
    fn see(&mut self, id: SeriesId) {
        let at = id as usize;
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, u32::MAX);
        }
        if self.numbers[at] == u32::MAX {
            self.numbers[at] = self.seen.len() as u32;
            self.seen.push(id);
        }
    }

    fn of(&self, id: SeriesId) -> u32 {
        self.numbers[id as usize]
    }
}

impl Monitor {
    /// The state, for a snapshot at [`Monitor::position`]. What was not flushed is in it.
    ///
    /// # Errors
    /// [`SnapshotError::Failed`] after a failure; [`SnapshotError::Malformed`] should the encoder fail, which it does not on valid state.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        if self.failed {
            return Err(SnapshotError::Failed);
        }
        let window_slots: Vec<u32> = self.windows.by_end.values().chain(&self.windows.departed).copied().collect();
        let period_slots: Vec<u32> = self.ledger.by_end.values().chain(&self.ledger.departed).copied().collect();
        let windows: Vec<&WindowTable> = window_slots.iter().filter_map(|slot| self.windows.tables.get(*slot)).collect();
        let periods: Vec<&Period> = period_slots.iter().filter_map(|slot| self.ledger.periods.get(*slot)).collect();
        let mut numbering = Numbering::default();
        let of_cells = self.inputs.iter().flat_map(|input| input.tables.values()).flat_map(|table| &table.cells).map(|cell| cell.series);
        let of_rows = windows.iter().flat_map(|table| &table.rows).map(|row| row.series);
        let of_scopes = periods.iter().flat_map(|period| &period.scopes).map(|spend| spend.series);
        of_cells.chain(of_rows).chain(of_scopes).for_each(|series| numbering.see(series));
        let (numbering, series) = (&numbering, &self.series);
        let due = self.ledger.due.iter().map(|((bucket, period_end, budget, scope), sums)| DueState {
            bucket: *bucket,
            period_end: *period_end,
            budget: *budget,
            scope: *scope,
            sums: Cow::Borrowed(sums),
        });
        let state = State {
            shard: self.shard,
            position: self.position,
            closed: self.closed,
            frontier: self.frontier,
            sets: &self.rules.sets,
            series: LazySeq(|| numbering.seen.iter().map(|id| SeriesState { set: series.set_of(*id), values: series.values(*id) })),
            inputs: LazySeq(|| self.inputs.iter().map(|input| input_state(input, numbering))),
            windows: LazySeq(|| windows.iter().map(|table| window_state(table, numbering))),
            dirty_rows: renumbered(&self.windows.dirty, &window_slots),
            budgets: &self.rules.budgets,
            periods: LazySeq(|| periods.iter().map(|period| period_state(period, numbering))),
            dirty_scopes: renumbered(&self.ledger.dirty, &period_slots),
            due: LazySeq(|| due.clone()),
            alerts: &self.ledger.alerts,
        };
        let watch = self.watch.state(&self.rules.sets, &self.series);
        let paces = self.watch.pace_state(&self.rules.sets, &self.series);
        state_bytes(SNAPSHOT_VERSION, &(state, watch, paces, self.rolling.state(&self.rules, &self.series), self.watch.anomaly_state()))
            .map_err(malformed)
    }

    /// A monitor in the state of a snapshot, under rules that may differ from those it was taken under:
    /// - cells and rows of sets that are gone, or have another key or filter, are forgotten, as are day and month rows of another time zone;
    /// - a budget that is gone or covers something else now (filter, `per`, window, currency) is forgotten;
    /// - a new budget starts from what the rows of its series hold, where its grouping set is a published one and one exchange rate is in
    ///   force for the whole period; else from zero. Thresholds that this reaches fire with the next spend;
    /// - other limits and thresholds of a budget apply to what was spent so far; a threshold of the same amount does not fire again.
    ///
    /// # Errors
    /// [`SnapshotError`]
    pub fn restore(bytes: &[u8], rules: MonitorRules) -> Result<Self, SnapshotError> {
        let (version, mut parts) = match bytes.split_first() {
            Some((version, rest)) if (snapshot_v1::VERSION..=SNAPSHOT_VERSION).contains(version) => (*version, Parts(rest)),
            Some((version, _)) => return Err(SnapshotError::Version(*version)),
            None => return Err(malformed("empty")),
        };
        let head: Head<'_> = parts.take().map_err(malformed)?;
        let mut monitor = Monitor::new(rules, head.shard);
        (monitor.position, monitor.closed, monitor.frontier) = (head.position, head.closed, head.frontier);
        let series = monitor.restore_series(&head);
        for _ in 0..parts.length().map_err(malformed)? {
            let input = monitor.restore_input(&mut parts, &series)?;
            monitor.inputs.push(input);
        }
        let windows = monitor.restore_windows(&mut parts, &series)?;
        let tail = if version == snapshot_v1::VERSION { snapshot_v1::tail(&mut parts)? } else { parts.take().map_err(malformed)? };
        let (watch, paces, rolling, anomalies) = of_later_versions(version, &mut parts).map_err(malformed)?;
        if !parts.0.is_empty() {
            return Err(malformed(format!("{} bytes too many", parts.0.len())));
        }
        if !watch.is_sound() || !paces.is_sound() || !anomalies.is_sound() || rolling.hours().any(|hour| hour > LAST_HOUR) {
            return Err(malformed("an hour beyond all events"));
        }
        monitor.restore_dirty_rows(&tail.dirty_rows, &windows)?;
        let budgets = monitor.restore_budgets(&tail.budgets);
        monitor.restore_periods(tail.periods, &tail.dirty_scopes, (&tail.budgets, &budgets), &head.series)?;
        for due in tail.due {
            if let Some(budget) = budgets.get(due.budget as usize).copied().flatten() {
                monitor.ledger.due.insert((due.bucket, due.period_end, budget, due.scope), due.sums.into_owned());
            }
        }
        monitor.ledger.alerts = tail.alerts;
        monitor
            .watch
            .restore((watch, paces, anomalies), &monitor.rules, &mut monitor.series)
            .ok_or_else(|| malformed("a sum that does not fit"))?;
        let is_same = |name: &str| (0..).zip(&monitor.rules.budgets).any(|(at, budget)| budget.name == name && budgets.contains(&Some(at)));
        monitor.rolling.restore(rolling, &monitor.rules, &mut monitor.series, is_same);
        for budget in 0..monitor.rules.budgets.len() as u16 {
            if !budgets.contains(&Some(budget)) {
                monitor.start_budget(budget)?;
            }
        }
        Ok(monitor)
    }

    /// The numbers of the snapshot's series; `None` for those of sets that are gone.
    fn restore_series(&mut self, head: &Head<'_>) -> Vec<Option<SeriesId>> {
        let same = |old: &GroupingSet| self.rules.sets.iter().position(|set| set.is_same(old));
        let sets: Vec<Option<usize>> = head.sets.iter().map(same).collect();
        let restored = head.series.iter().map(|series| {
            let set = sets.get(series.set as usize).copied().flatten()?;
            Some(self.series.intern(set as u16, &series.values))
        });
        restored.collect()
    }

    fn restore_input(&mut self, parts: &mut Parts<'_>, series: &[Option<SeriesId>]) -> Result<Input, SnapshotError> {
        let state: InputState<'_, ()> = parts.take().map_err(malformed)?;
        let mut input = Input::new(&state.topic, state.partition);
        (input.inputs, input.shards, input.known_through) = (state.inputs, state.shards, state.known_through);
        (input.closed_before, input.accounts) = (state.closed_before, state.accounts);
        (input.revision, input.dirty) = (state.revision, state.dirty);
        for _ in 0..parts.length().map_err(malformed)? {
            let state: CellTableState<()> = parts.take().map_err(malformed)?;
            let mut table = CellTable::default();
            let cells = parts.length().map_err(malformed)?;
            table.cells.reserve_exact(parts.room(cells));
            for _ in 0..cells {
                let cell = read_cell(parts).map_err(malformed)?;
                let Some(series) = found(series, cell.series)? else { continue };
                self.series.hold(series);
                self.cells += 1;
                table.add(HeldCell { series, ..cell });
            }
            input.tables.insert((state.bucket, state.generation), table);
        }
        Ok(input)
    }

    fn restore_windows(&mut self, parts: &mut Parts<'_>, series: &[Option<SeriesId>]) -> Result<Vec<Restored>, SnapshotError> {
        let mut windows = Vec::new();
        for _ in 0..parts.length().map_err(malformed)? {
            let WindowState { granularity, window, departed, rows: () } = parts.take().map_err(malformed)?;
            let is_now = window_of(&self.rules.calendar, granularity, Bucket::of(window.start)) == window;
            let mut table = WindowTable::new(granularity, window);
            table.departed = departed || !is_now;
            let rows = parts.length().map_err(malformed)?;
            table.rows.reserve_exact(parts.room(rows));
            let mut gone = Vec::new();
            for at in 0..rows {
                let row = read_row(parts).map_err(malformed)?;
                let Some(series) = found(series, row.series)? else {
                    gone.push(at as u32);
                    continue;
                };
                self.series.hold(series);
                table.add(Row { series, ..row });
            }
            windows.push(Restored { slot: self.windows.adopt(table), gone });
        }
        Ok(windows)
    }

    /// Rows that wait to be written.
    fn restore_dirty_rows(&mut self, dirty: &[(u32, u32)], windows: &[Restored]) -> Result<(), SnapshotError> {
        each_once(dirty)?;
        for (number, at) in dirty {
            let Some(window) = windows.get(*number as usize) else { continue };
            if let Some(at) = window.now(*at) {
                self.windows.mark_dirty(window.slot, at);
            }
        }
        Ok(())
    }

    /// Which budget each of the snapshot's budgets is now.
    fn restore_budgets(&self, old: &[Budget]) -> Vec<Option<u16>> {
        let same = |old: &Budget| {
            let is_it = |now: &Budget| {
                (&now.name, now.currency, now.window, &now.filter, &now.per) == (&old.name, old.currency, old.window, &old.filter, &old.per)
            };
            self.rules.budgets.iter().position(is_it).map(|index| index as u16)
        };
        old.iter().map(same).collect()
    }

    fn restore_periods(
        &mut self,
        periods: Vec<ReadPeriod>,
        dirty: &[(u32, u32)],
        (old, now): (&[Budget], &[Option<u16>]),
        series: &[SeriesState<Vec<&str>>],
    ) -> Result<(), SnapshotError> {
        let mut slots = Vec::with_capacity(periods.len());
        let is_dirty = each_once(dirty)?;
        for (number, state) in periods.into_iter().enumerate() {
            let (old, budget) = match (old.get(state.budget as usize), now.get(state.budget as usize)) {
                (Some(old), Some(Some(budget))) => (old, *budget),
                (Some(_), Some(None)) => {
                    slots.push(None);
                    continue;
                }
                _ => return Err(malformed(format!("budget {} of {}", state.budget, old.len()))),
            };
            let definition = &self.rules.budgets[budget as usize];
            let is_now = definition.window.of(&self.rules.calendar, Bucket::of(state.window.start)) == state.window;
            let set = definition.grouping_set(&self.rules.sets).name;
            let set = self.rules.sets.iter().position(|known| known.name == set).ok_or_else(|| malformed("a budget without a set"))?;
            let mut period = Period::new(budget, state.window, Box::default());
            (period.noticed, period.departed) = (state.noticed, state.departed || !is_now);
            for (at, scope) in state.scopes.into_iter().enumerate() {
                let Some(named) = series.get(scope.series as usize) else { return Err(malformed("a scope's series is missing")) };
                // The budget may be counted in another set by now, with the same key.
                let series = self.series.intern(set as u16, &named.values);
                self.series.hold(series);
                period.add(Spend {
                    series,
                    scope: scope.scope.into(),
                    spent: scope.sums.spent().ok_or_else(|| malformed("a sum that does not fit"))?,
                    sums: scope.sums.into_owned(),
                    judged: scope.judged.into_owned(),
                    reached: scope.reached,
                    standings: carried_over(old, &scope.standings, definition),
                    reset: scope.reset,
                    dirty: is_dirty.contains(&(number as u32, at as u32)),
                    revision: scope.revision,
                    frontier: scope.frontier,
                });
            }
            slots.push(Some(self.ledger.adopt(&self.rules, period)));
        }
        let place = |(number, at): &(u32, u32)| slots.get(*number as usize).copied().flatten().map(|slot| (slot, *at));
        self.ledger.dirty = dirty.iter().filter_map(place).collect();
        Ok(())
    }

    /// A budget that the snapshot did not have starts from what the rows hold.
    fn start_budget(&mut self, budget: u16) -> Result<(), SnapshotError> {
        let definition = self.rules.budgets[budget as usize].clone();
        let granularity = match definition.window {
            BudgetWindow::Hourly => Granularity::Hour,
            BudgetWindow::Daily => Granularity::Day,
            BudgetWindow::Monthly => Granularity::Month,
            // It begins from zero.
            BudgetWindow::Rolling { .. } => return Ok(()),
        };
        let (windows, series) = (&self.windows, &mut self.series);
        for ((end, of), slot) in &windows.by_end {
            let Some(table) = windows.tables.get(*slot).filter(|_| *of == granularity) else { continue };
            let rate_at = |bucket: Bucket| self.rules.rates.version_at(definition.currency, bucket.start());
            let (first, last) = (rate_at(Bucket::of(table.window.start)), rate_at(Bucket::of(end.plus(-1))));
            let Some(rate) = first.filter(|_| first == last) else { continue };
            let mut period = Period::new(budget, table.window, Box::default());
            for row in &table.rows {
                let set = series.set_of(row.series);
                if !self.ledger.watches(budget, set) || !series.is_somebody(row.series) {
                    continue;
                }
                let scope = name_of(&self.rules.sets[set as usize], series.values(row.series));
                let mut spend = Spend::new(row.series, scope.into());
                spend.sums.add(rate.per_usd, row.measures.cost).ok_or_else(|| malformed("a sum that does not fit"))?;
                spend.spent = spend.sums.spent().ok_or_else(|| malformed("a sum that does not fit"))?;
                (spend.judged, spend.reached) = (spend.sums.clone(), spend.spent);
                (spend.revision, spend.frontier, spend.dirty) = (row.revision, self.frontier, true);
                series.hold(row.series);
                period.add(spend);
            }
            if !period.scopes.is_empty() {
                let scopes = period.scopes.len() as u32;
                let slot = self.ledger.adopt(&self.rules, period);
                self.ledger.dirty.extend((0..scopes).map(|at| (slot, at)));
            }
        }
        Ok(())
    }
}

/// What versions after the first have added; empty in a state that was written before.
type OfLaterVersions = (WatchState<'static>, PaceState<'static>, RollingState, AnomalyState<'static>);

fn of_later_versions(version: u8, parts: &mut Parts<'_>) -> postcard::Result<OfLaterVersions> {
    let (mut watch, mut paces, mut rolling, mut anomalies) = OfLaterVersions::default();
    if version > UNWATCHED_VERSION {
        watch = parts.take()?;
    }
    if version > UNPROJECTED_VERSION {
        (paces, rolling) = parts.take()?;
    }
    if version > UNEXPLAINED_VERSION {
        anomalies = parts.take()?;
    }
    Ok((watch, paces, rolling, anomalies))
}

/// A [`CellState`], with the number that its series has in the snapshot.
#[inline]
fn read_cell(parts: &mut Parts<'_>) -> postcard::Result<HeldCell> {
    Ok(HeldCell { series: parts.number()?, version: parts.signed()?, measures: parts.measures()? })
}

/// A [`RowState`], with the number that its series has in the snapshot.
#[inline]
fn read_row(parts: &mut Parts<'_>) -> postcard::Result<Row> {
    let (series, generation, revision) = (parts.number()?, parts.signed()?, parts.signed()?);
    Ok(Row { series, dirty: false, generation, revision, measures: parts.measures()? })
}

fn input_state<'a>(input: &'a Input, numbering: &'a Numbering) -> InputState<'a, impl Serialize + 'a> {
    let cell = |cell: &HeldCell| CellState { series: numbering.of(cell.series), version: cell.version, measures: cell.measures };
    let tables = move || {
        input.tables.iter().map(move |((bucket, generation), table)| CellTableState {
            bucket: *bucket,
            generation: *generation,
            cells: LazySeq(move || table.cells.iter().map(cell)),
        })
    };
    InputState {
        topic: (&*input.topic).into(),
        partition: input.partition,
        inputs: input.inputs,
        shards: input.shards,
        known_through: input.known_through,
        closed_before: input.closed_before,
        accounts: input.accounts,
        revision: input.revision,
        dirty: input.dirty,
        tables: LazySeq(tables),
    }
}

fn window_state<'a>(table: &'a WindowTable, numbering: &'a Numbering) -> WindowState<impl Serialize + 'a> {
    let row = |row: &Row| RowState {
        series: numbering.of(row.series),
        generation: row.generation,
        revision: row.revision,
        measures: row.measures,
    };
    let rows = LazySeq(move || table.rows.iter().map(row));
    WindowState { granularity: table.granularity, window: table.window, departed: table.departed, rows }
}

fn period_state<'a>(period: &'a Period, numbering: &'a Numbering) -> PeriodState<impl Serialize + 'a> {
    let scopes = LazySeq(|| period.scopes.iter().map(|spend| scope_state(spend, numbering)));
    PeriodState { budget: period.budget, window: period.window, noticed: period.noticed, departed: period.departed, scopes }
}

fn scope_state<'a>(spend: &'a Spend, numbering: &Numbering) -> ScopeState<'a> {
    ScopeState {
        series: numbering.of(spend.series),
        scope: (&*spend.scope).into(),
        sums: Cow::Borrowed(&spend.sums),
        judged: Cow::Borrowed(&spend.judged),
        reached: spend.reached,
        standings: (&spend.standings).into(),
        reset: spend.reset,
        revision: spend.revision,
        frontier: spend.frontier,
    }
}

/// Slots become positions in the snapshot.
fn renumbered(dirty: &[(u32, u32)], slots: &[u32]) -> Vec<(u32, u32)> {
    let numbers: HashMap<u32, u32> = slots.iter().enumerate().map(|(number, slot)| (*slot, number as u32)).collect();
    dirty.iter().filter_map(|(slot, at)| numbers.get(slot).map(|number| (*number, *at))).collect()
}

/// What is dirty, refused if something is named twice: it would be written twice and counted down once.
fn each_once(dirty: &[(u32, u32)]) -> Result<HashSet<(u32, u32)>, SnapshotError> {
    let set: HashSet<(u32, u32)> = dirty.iter().copied().collect();
    if set.len() == dirty.len() { Ok(set) } else { Err(malformed("a row or scope that waits to be written is named twice")) }
}

/// The series of that number; `Ok(None)`: its set is gone.
fn found(series: &[Option<SeriesId>], number: u32) -> Result<Option<SeriesId>, SnapshotError> {
    series.get(number as usize).copied().ok_or_else(|| malformed(format!("series {number} of {}", series.len())))
}

pub(super) fn malformed(reason: impl ToString) -> SnapshotError {
    SnapshotError::Malformed(reason.to_string())
}

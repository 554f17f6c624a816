//! What the tests are made of: blocks, a reader of effects, a plain meter, and a plain recount.

use std::collections::{BTreeMap, BTreeSet};

use schemas::alert::{Alert, AlertState, Level};
use schemas::budget::Budget;
use schemas::calendar::Calendar;
use schemas::partial::{BlockBuilder, BlockHeader};
use schemas::rates::Rates;
use schemas::rollup::{AccountsRow, AnomalyRow, BudgetRow, PaceRow, RhythmRow, RollupRow};
use schemas::timestamp::HOUR_US;
use schemas::{Accounts, Bucket, Dimension, GroupingSet, Measures, Money, Timestamp};

use super::super::{Monitor, MonitorEffects, MonitorLimits, MonitorRules, WatchRules};

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(super) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub(super) fn budgets(text: &str) -> Vec<Budget> {
    Budget::parse_all(&[("test.toml", text)]).unwrap()
}

/// `total` and `user`, in UTC, one hour of retention.
pub(super) fn rules(budget_text: &str) -> MonitorRules {
    let budgets = budgets(budget_text);
    let mut sets = vec![GroupingSet::new("total", &[]), GroupingSet::new("user", &[Dimension::UserId])];
    for budget in &budgets {
        let set = budget.grouping_set(&sets);
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    MonitorRules {
        sets,
        budgets,
        rates: Rates::default(),
        calendar: Calendar::new("UTC").unwrap(),
        retain_us: HOUR_US,
        watch: WatchRules::off(),
        limits: MonitorLimits::default(),
    }
}

/// One event of this cost.
pub(super) fn spent(cost: Money, when: Timestamp) -> Measures {
    let credit = if cost.is_negative() { cost } else { Money::ZERO };
    Measures {
        events: 1,
        cost,
        credit,
        latency_count: 1,
        latency_ms_sum: 3,
        latency_ms_max: 3,
        first_event_at: when,
        last_event_at: when,
        ..Measures::EMPTY
    }
}

/// A cell as the tests write it.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) set: &'static str,
    pub(super) values: Vec<String>,
    pub(super) bucket: Bucket,
    pub(super) generation: i64,
    pub(super) version: i64,
    pub(super) measures: Measures,
}

pub(super) fn total(bucket: Bucket, version: i64, measures: Measures) -> Cell {
    Cell { set: "total", values: Vec::new(), bucket, generation: 0, version, measures }
}

pub(super) fn user(name: &str, bucket: Bucket, version: i64, measures: Measures) -> Cell {
    Cell { set: "user", values: vec![name.to_owned()], bucket, generation: 0, version, measures }
}

/// What a block says beside its cells.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) partition: i32,
    pub(super) inputs: i32,
    pub(super) is_last: bool,
    pub(super) next_offset: i64,
    pub(super) closed_before: Timestamp,
    pub(super) sealed: Vec<(Bucket, i64)>,
}

impl Head {
    /// Of the only input; the last block of a flush through `next_offset`. Nothing of the tests' usual day is closed.
    pub(super) fn last(next_offset: i64) -> Self {
        let closed_before = at("2026-11-22T10:00:00Z");
        Head { partition: 0, inputs: 1, is_last: true, next_offset, closed_before, sealed: Vec::new() }
    }

    /// Not the last block of its flush.
    pub(super) fn open(next_offset: i64) -> Self {
        Head { is_last: false, ..Head::last(next_offset) }
    }

    pub(super) fn closing(self, closed_before: Timestamp) -> Self {
        Head { closed_before, ..self }
    }

    pub(super) fn of(self, partition: i32, inputs: i32) -> Self {
        Head { partition, inputs, ..self }
    }
}

pub(super) fn block(head: &Head, cells: &[Cell]) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    for cell in cells {
        let values = cell.values.iter().map(String::as_str);
        builder.push(cell.set, values, cell.bucket, cell.generation, cell.version, &cell.measures);
    }
    let next_offset = head.next_offset;
    builder.finish(&BlockHeader {
        topic: "usage-events",
        partition: head.partition,
        inputs: head.inputs,
        shards: 1,
        is_last: head.is_last,
        accounts: Accounts { next_offset, counted: next_offset as u64, ..Accounts::default() },
        closed_before: head.closed_before,
        sealed: head.sealed.clone(),
    })
}

/// Set, granularity, start, values, generation.
pub(super) type RowKey = (String, &'static str, Timestamp, Vec<String>, i64);

/// Budget, scope, period start.
pub(super) type BudgetKey = (String, String, Timestamp);
/// Revision, spent, projection, level, period.
pub(super) type BudgetValue = (i64, Money, Option<Money>, String, String);

/// Everything that was emitted, as ClickHouse would keep it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tables {
    pub(super) rows: BTreeMap<RowKey, (i64, bool, Measures)>,
    pub(super) budgets: BTreeMap<BudgetKey, BudgetValue>,
    pub(super) rhythm: BTreeMap<(String, Timestamp), String>,
    pub(super) pace: BTreeMap<(String, String, Timestamp), String>,
    /// Rule, scope, since, hour.
    pub(super) anomalies: BTreeMap<(String, String, Timestamp, Timestamp), String>,
    pub(super) accounts: BTreeMap<i32, (i64, Accounts)>,
    pub(super) alerts: Vec<Alert>,
    /// Everything in the order of its emission.
    pub(super) log: Vec<String>,
}

impl MonitorEffects for Tables {
    fn rollup(&mut self, row: &RollupRow<'_, Box<str>>) {
        self.log.push(format!("{row:?}"));
        let values = row.values.iter().map(|value| value.to_string()).collect();
        let key = (row.set.to_owned(), row.granularity.name(), row.window_start, values, row.generation);
        let held = self.rows.entry(key).or_insert((i64::MIN, false, Measures::EMPTY));
        if row.revision >= held.0 {
            *held = (row.revision, row.is_final, row.measures);
        }
    }

    fn budget(&mut self, row: &BudgetRow<'_>) {
        self.log.push(format!("{row:?}"));
        let value = (row.revision, row.spent, row.projection, row.level.to_owned(), row.period.to_owned());
        self.budgets.insert((row.budget.to_owned(), row.scope.to_owned(), row.period_start), value);
    }

    fn rhythm(&mut self, row: &RhythmRow<'_>) {
        self.log.push(format!("{row:?}"));
        // The revision is where in the log of partials it was said, which differs between runs.
        self.rhythm.insert((row.scope.to_owned(), row.hour), format!("{:?}", RhythmRow { revision: 0, ..*row }));
    }

    fn pace(&mut self, row: &PaceRow<'_>) {
        self.log.push(format!("{row:?}"));
        self.pace.insert((row.budget.to_owned(), row.scope.to_owned(), row.hour), format!("{:?}", PaceRow { revision: 0, ..*row }));
    }

    fn anomaly(&mut self, row: &AnomalyRow<'_>) {
        self.log.push(format!("{row:?}"));
        let key = (row.rule.to_owned(), row.scope.to_owned(), row.since, row.hour);
        self.anomalies.insert(key, format!("{:?}", AnomalyRow { revision: 0, ..*row }));
    }

    fn accounts(&mut self, row: &AccountsRow<'_>) {
        self.log.push(format!("{row:?}"));
        self.accounts.insert(row.partition, (row.revision, row.accounts));
    }

    fn alert(&mut self, alert: &Alert) {
        self.log.push(format!("{alert:?}"));
        self.alerts.push(alert.clone());
    }
}

/// Set, granularity, start, values.
pub(super) type ViewKey = (String, &'static str, Timestamp, Vec<String>);

impl Tables {
    /// As the view shows rows: generations summed up, final when all of them are.
    pub(super) fn view(&self) -> BTreeMap<ViewKey, Measures> {
        let mut view = BTreeMap::new();
        for ((set, granularity, start, values, _), (_, _, measures)) in &self.rows {
            let key = (set.clone(), *granularity, *start, values.clone());
            let sum: &mut Measures = view.entry(key).or_insert(Measures::EMPTY);
            sum.merge(measures).unwrap();
        }
        view
    }

    pub(super) fn cost(&self, granularity: &str) -> Money {
        let cells = self.view();
        let of = cells.iter().filter(|((set, of, ..), _)| set == "total" && *of == granularity);
        of.fold(Money::ZERO, |sum, (_, measures)| sum.checked_add(measures.cost).unwrap())
    }

    pub(super) fn states(&self) -> Vec<String> {
        self.alerts.iter().map(|alert| format!("{} {} {} {}", alert.scope, alert.state, alert.threshold, alert.current)).collect()
    }

    /// Id, level and state of every alert.
    pub(super) fn told(&self) -> BTreeSet<(String, Level, AlertState)> {
        self.alerts.iter().map(|alert| (alert.id(), alert.level, alert.state)).collect()
    }

    pub(super) fn alert_ids(&self) -> BTreeSet<String> {
        self.alerts.iter().map(Alert::id).collect()
    }
}

/// A monitor with what it has emitted so far.
pub(super) struct Bench {
    pub(super) monitor: Monitor,
    pub(super) tables: Tables,
    pub(super) offset: i64,
}

impl Bench {
    pub(super) fn new(rules: MonitorRules) -> Self {
        Bench { monitor: Monitor::new(rules, 0), tables: Tables::default(), offset: 0 }
    }

    pub(super) fn take(&mut self, head: &Head, cells: &[Cell]) {
        self.monitor.apply(self.offset, &block(head, cells)).unwrap();
        self.offset += 1;
    }

    pub(super) fn flush(&mut self) {
        self.monitor.flush(&mut self.tables);
    }

    /// One record, flushed.
    pub(super) fn send(&mut self, head: &Head, cells: &[Cell]) {
        self.take(head, cells);
        self.flush();
    }
}

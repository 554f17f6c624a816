//! ClickHouse as far as the pipeline relies on it: rows by key, the largest revision wins, views sum generations.

use std::collections::BTreeMap;
use std::fmt::Debug;

use runtime::invariant::Invariant;
use runtime::io::{RowBatch, Table};

use crate::row_reader::{AccountsRow, BlockReader, BudgetKey, BudgetValue, RollupKey, RollupValue};

/// What a broken invariant looked like.
pub(crate) type Violation = (Invariant, String);

/// The tables' contents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    rollups: BTreeMap<RollupKey, RollupValue>,
    budgets: BTreeMap<BudgetKey, BudgetValue>,
    alerts: BTreeMap<String, String>,
    /// By scope and hour.
    hours: BTreeMap<(String, u32), String>,
    accounts: BTreeMap<(String, i32, i32), AccountsRow>,
    /// By partition and offset.
    usage_events: BTreeMap<(i32, i64), String>,
    /// Events counted in the finest rows of `total`.
    events: i128,
}

impl Tables {
    /// Inserts the first `rows` rows of a batch. Returns what is wrong with them.
    pub(crate) fn insert(&mut self, batch: &RowBatch, rows: u32) -> Vec<Violation> {
        let mut wrong = Vec::new();
        let block = BlockReader::new(&batch.bytes);
        if !block.is_whole || block.rows != batch.rows as usize {
            wrong.push((Invariant::RowsAreWhole, format!("{:?}: {} rows, the block says {}", batch.table, batch.rows, block.rows)));
        }
        for row in 0..rows as usize {
            let found = match batch.table {
                Table::Rollups => self.insert_rollup(block.rollup(row)),
                Table::Budgets => self.insert_budget(block.budget(row)),
                Table::Rhythm => insert_once(&mut self.hours, block.rhythm(row), Invariant::RevisionNamesOneValue),
                Table::Pace => insert_once(&mut self.hours, block.pace(row), Invariant::RevisionNamesOneValue),
                Table::Anomalies => insert_once(&mut self.hours, block.anomaly(row), Invariant::RevisionNamesOneValue),
                Table::Alerts => insert_once(&mut self.alerts, block.alert(row), Invariant::AlertIdNamesOneAlert),
                Table::Accounts => self.insert_accounts(block.accounts(row)),
                Table::UsageEvents => insert_once(&mut self.usage_events, block.usage_event(row), Invariant::RevisionNamesOneValue),
            };
            wrong.extend(found);
        }
        wrong
    }

    fn insert_rollup(&mut self, (key, value): (RollupKey, RollupValue)) -> Option<Violation> {
        let counts = key.granularity == 1 && key.set == "total";
        if let Some(held) = self.rollups.get(&key) {
            if held.revision == value.revision && *held != value {
                return Some((Invariant::RevisionNamesOneValue, format!("{key:?}: {held:?} and {value:?}")));
            }
            if held.revision >= value.revision {
                return None;
            }
            self.events -= if counts { held.events() } else { 0 };
        }
        self.events += if counts { value.events() } else { 0 };
        self.rollups.insert(key, value);
        None
    }

    fn insert_budget(&mut self, (key, value): (BudgetKey, BudgetValue)) -> Option<Violation> {
        let held = self.budgets.entry(key.clone()).or_insert_with(|| value.clone());
        if held.revision == value.revision && *held != value {
            return Some((Invariant::RevisionNamesOneValue, format!("{key:?}: {held:?} and {value:?}")));
        }
        if value.revision > held.revision {
            *held = value;
        }
        None
    }

    fn insert_accounts(&mut self, row: AccountsRow) -> Option<Violation> {
        let key = (row.topic.clone(), row.partition, row.shard);
        if self.accounts.get(&key).is_none_or(|held| row.revision > held.revision) {
            self.accounts.insert(key, row);
        }
        let counted = self.counted();
        let ahead = i128::from(counted) > self.events;
        ahead.then(|| (Invariant::AccountsFollowRows, format!("accounts show {counted} counted events, the rows {}", self.events)))
    }

    /// The accounts that all shards have reached, by partition.
    fn reached(&self) -> BTreeMap<i32, &AccountsRow> {
        let mut by_partition: BTreeMap<i32, Vec<&AccountsRow>> = BTreeMap::new();
        for row in self.accounts.values() {
            by_partition.entry(row.partition).or_default().push(row);
        }
        let complete = by_partition.into_iter().filter(|(_, rows)| rows.iter().all(|row| row.shards as usize == rows.len()));
        complete.filter_map(|(partition, rows)| Some((partition, rows.into_iter().min_by_key(|row| row.next_offset)?))).collect()
    }

    /// All alert rows, by id.
    pub(crate) fn alerts(&self) -> &BTreeMap<String, String> {
        &self.alerts
    }

    /// All rows of rhythms and projections, by what they are about and their hour.
    pub(crate) fn hours(&self) -> &BTreeMap<(String, u32), String> {
        &self.hours
    }

    /// The rows of counted events, by partition and offset.
    pub(crate) fn usage_events(&self) -> &BTreeMap<(i32, i64), String> {
        &self.usage_events
    }

    /// Counted events, as the accounts say.
    pub(crate) fn counted(&self) -> u64 {
        self.reached().values().map(|row| row.outcomes[0]).sum()
    }

    /// All budget rows without their revisions.
    pub(crate) fn budgets(&self) -> BTreeMap<&BudgetKey, &str> {
        self.budgets.iter().map(|(key, value)| (key, value.text.as_str())).collect()
    }

    /// Answers the queries of the audit.
    ///
    /// # Errors
    /// A query that is none of them.
    pub(crate) fn answer(&self, sql: &str) -> Result<String, String> {
        let view = sql.split('`').rev().nth(1).ok_or_else(|| format!("no view in {sql}"))?;
        if view == "pipeline_accounts" {
            let line = |(partition, row): (i32, &AccountsRow)| {
                let outcomes: Vec<String> = row.outcomes.iter().map(u64::to_string).collect();
                format!("{partition}\t{}\t{}\n", row.next_offset - row.first_offset, outcomes.join("\t"))
            };
            return Ok(self.reached().into_iter().map(line).collect());
        }
        let (granularity, set) = view.split_once("_by_").or_else(|| view.rsplit_once('_')).ok_or_else(|| format!("no view {view}"))?;
        let number = ["quarter_hour", "hourly", "daily", "monthly"].iter().position(|name| *name == granularity);
        let number = number.ok_or_else(|| format!("no granularity {granularity}"))? as i8 + 1;
        let mut rows: BTreeMap<(u32, &[String]), RollupValue> = BTreeMap::new();
        for (key, value) in self.rollups.iter().filter(|(key, _)| key.granularity == number && key.set == set) {
            rows.entry((key.window_start, &key.values)).and_modify(|sum| sum.add(value)).or_insert_with(|| value.clone());
        }
        Ok(rows.into_iter().map(|((start, values), value)| value.line(start, values)).collect())
    }
}

/// A row whose key never stands for anything else.
fn insert_once<K: Ord + Clone + Debug>(
    rows: &mut BTreeMap<K, String>,
    (key, text): (K, String),
    invariant: Invariant,
) -> Option<Violation> {
    let held = rows.entry(key.clone()).or_insert_with(|| text.clone());
    (*held != text).then(|| (invariant, format!("{key:?}: {held} and {text}")))
}

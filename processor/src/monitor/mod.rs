//! The monitor: the cells of all input partitions become one row per window and series, and budgets are watched on the way.
//!
//! A pure state machine over one partition of `rollup-partials`: what it holds and emits is a function of that log and the rules,
//! never of a clock or of the moments of flushing. How repeats are recognised is in `docs/ARCHITECTURE.md`, 'How a
//! number survives a crash'. Limits: cells of a set that the rules do not have are left out and counted (during a rolling change of
//! the sets a meter may be ahead; the totals of the other sets do not depend on it).

mod effects;
mod error;
mod explanation;
mod gauges;
mod input;
mod ledger;
mod period;
mod rolling;
mod rules;
mod series;
mod slab;
mod snapshot;
mod snapshot_v1;
mod spend;
mod standing;
mod steps;
mod watch;
mod windows;

use schemas::partial::{Block, BlockHeader, PartialCell};
use schemas::rollup::AccountsRow;
use schemas::timestamp::HOUR_US;
use schemas::{Bucket, GroupingSet, Timestamp};

pub use detection::action::{ActionLimits, GateSettings};

pub use self::effects::MonitorEffects;
pub use self::error::MonitorError;
pub use self::gauges::MonitorGauges;
use self::input::{Input, News};
use self::ledger::{BudgetOverflow, Change, Ledger, Moment};
use self::rolling::Rolling;
pub use self::rules::{MonitorLimits, MonitorRules};
use self::series::SeriesIndex;
pub use self::snapshot::{SNAPSHOT_VERSION, SnapshotError};
pub use self::watch::WatchRules;
use self::watch::{Watch, WatchOverflow};
use self::windows::Windows;

const NEVER: Timestamp = Timestamp::from_micros(i64::MIN);

/// The hour (since 1970) that a quarter hour is in.
fn hour_of(bucket: Bucket) -> u32 {
    bucket.number() / 4
}

fn hour_start(hour: u32) -> Timestamp {
    Bucket::from_number(hour * 4).start()
}

fn hour_end(hour: u32) -> Timestamp {
    hour_start(hour).plus(HOUR_US)
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Monitor {
    rules: MonitorRules,
    shard: i32,
    /// The first offset not yet folded.
    position: i64,
    /// In the order in which they were first seen.
    inputs: Vec<Input>,
    /// Every bucket that ends at or before this is closed by all inputs. Never goes back, even when inputs are added.
    closed: Timestamp,
    /// Closed by the most advanced input.
    frontier: Timestamp,
    series: SeriesIndex,
    windows: Windows,
    ledger: Ledger,
    rolling: Rolling,
    watch: Watch,
    cells: usize,
    /// A record was taken in part: the state is not to be used.
    failed: bool,
    repeated_cells: u64,
    unknown_set_cells: u64,
}

impl Monitor {
    /// A monitor of one partition of the partials topic that has read nothing yet. A budget whose grouping set is missing from the
    /// rules gets it; but only meters that have it too will fill it.
    pub fn new(mut rules: MonitorRules, shard: i32) -> Self {
        add_missing_sets(&mut rules);
        Monitor {
            ledger: Ledger::new(&rules),
            rolling: Rolling::new(&rules),
            watch: Watch::new(&rules),
            shard,
            position: 0,
            inputs: Vec::new(),
            closed: NEVER,
            frontier: NEVER,
            series: SeriesIndex::default(),
            windows: Windows::default(),
            cells: 0,
            failed: false,
            repeated_cells: 0,
            unknown_set_cells: 0,
            rules,
        }
    }

    /// The partition of the partials topic.
    pub fn shard(&self) -> i32 {
        self.shard
    }

    /// The first offset not yet folded.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// No record below this offset will come any more.
    pub fn skip_to(&mut self, offset: i64) {
        self.position = self.position.max(offset);
    }

    /// Folds the record at `offset`. Whatever it changes gets the revision `offset + 1`.
    ///
    /// # Errors
    /// [`MonitorError`] stops the partition. After any but [`MonitorError::OutOfOrder`] the monitor refuses to go on.
    pub fn apply(&mut self, offset: i64, payload: &[u8]) -> Result<(), MonitorError> {
        if self.failed {
            return Err(MonitorError::Failed);
        }
        if offset < self.position {
            return Err(MonitorError::OutOfOrder { expected: self.position, found: offset });
        }
        // Cells are folded while they are read: a fault in the middle leaves a state that must not be published.
        self.failed = true;
        self.fold(offset, payload)?;
        self.check_limits()?;
        self.position = offset + 1;
        self.failed = false;
        Ok(())
    }

    fn fold(&mut self, offset: i64, payload: &[u8]) -> Result<(), MonitorError> {
        let shard = self.shard;
        let unreadable = |source| MonitorError::Block { shard, offset, source };
        let block = Block::read(payload).map_err(unreadable)?;
        let input = self.input(&block.header);
        let mut result = Ok(());
        let read = block.for_each_cell(|cell| {
            if result.is_ok() {
                result = self.take_cell(input, &cell, offset);
            }
        });
        result?;
        read.map_err(unreadable)?;
        if block.header.is_last {
            self.finish_flush(input, &block.header, offset);
            self.advance(offset)?;
        }
        Ok(())
    }

    fn input(&mut self, header: &BlockHeader<'_>) -> usize {
        let is_it = |input: &Input| input.partition == header.partition && *input.topic == *header.topic;
        self.inputs.iter().position(is_it).unwrap_or_else(|| {
            self.inputs.push(Input::new(header.topic, header.partition));
            self.inputs.len() - 1
        })
    }

    fn take_cell(&mut self, input: usize, cell: &PartialCell<'_>, offset: i64) -> Result<(), MonitorError> {
        let input = &mut self.inputs[input];
        if cell.version <= input.known_through {
            self.repeated_cells += 1;
            return Ok(());
        }
        let is_known = |set: &GroupingSet| set.name == cell.set && set.key.len() == cell.values.len();
        let Some(set) = self.rules.sets.iter().position(is_known) else {
            self.unknown_set_cells += 1;
            return Ok(());
        };
        let id = self.series.intern(set as u16, &cell.values);
        let table = input.tables.entry((cell.bucket, cell.generation)).or_default();
        let news = table.take(id, cell.version, &cell.measures).map_err(|_| MonitorError::NotLater {
            offset,
            input: format!("{} partition {}", input.topic, input.partition),
            set: cell.set.to_owned(),
            bucket_start: cell.bucket.start(),
            generation: cell.generation,
        })?;
        let delta = match news {
            News::Repeat => {
                self.repeated_cells += 1;
                return Ok(());
            }
            News::More(delta) => delta,
            News::First(delta) => {
                self.series.hold(id);
                self.cells += 1;
                delta
            }
        };
        let at = (cell.bucket, id);
        if self.rules.sets[set].is_published() {
            self.windows
                .add(&self.rules.calendar, at, &delta, offset, &mut self.series)
                .map_err(|_| MonitorError::Overflow { offset, what: format!("money of set {}", cell.set) })?;
        }
        let moment = Moment { revision: offset + 1, closed: self.closed, frontier: self.frontier };
        let entered = cell.bucket.max(Bucket::of(input.closed_before)).max(Bucket::of(self.closed));
        let change = Change { bucket: cell.bucket, entered, series: id, delta: &delta };
        self.watch.add(change, &mut self.series).map_err(|WatchOverflow| watch_overflow(offset))?;
        self.rolling.add(&self.rules, change, moment, &mut self.series).map_err(|found| overflow_of(found, offset))?;
        self.ledger.add(&self.rules, change, moment, &mut self.series).map_err(|found| overflow_of(found, offset))
    }

    /// Everything of a flush has arrived.
    fn finish_flush(&mut self, input: usize, header: &BlockHeader<'_>, offset: i64) {
        let input = &mut self.inputs[input];
        input.inputs = input.inputs.max(header.inputs);
        input.closed_before = input.closed_before.max(header.closed_before);
        self.frontier = self.frontier.max(header.closed_before);
        let through = header.accounts.next_offset;
        let is_news = through > input.known_through || (through == input.known_through && input.shards != header.shards);
        if is_news {
            (input.known_through, input.accounts, input.shards) = (through, header.accounts, header.shards);
            (input.revision, input.dirty) = (offset + 1, true);
        }
        for sealed in &header.sealed {
            let Some(table) = input.tables.remove(sealed) else { continue };
            self.cells -= table.cells.len();
            for cell in &table.cells {
                self.series.release(cell.series);
            }
        }
    }

    /// Draws the consequences when all inputs have closed more than before.
    fn advance(&mut self, offset: i64) -> Result<(), MonitorError> {
        let Some(closed) = self.closed_by_all().filter(|closed| *closed > self.closed) else { return Ok(()) };
        let before = std::mem::replace(&mut self.closed, closed);
        let moment = Moment { revision: offset + 1, closed, frontier: self.frontier };
        self.windows.close(before, closed, moment.revision);
        self.ledger.close(&self.rules, before, moment).map_err(|found| overflow_of(found, offset))?;
        self.rolling.close(&self.rules, moment, &mut self.series).map_err(|found| overflow_of(found, offset))?;
        self.watch.close(&self.rules, moment, &mut self.series).map_err(|WatchOverflow| watch_overflow(offset))?;
        let until = closed.plus(-self.rules.retain_us);
        self.windows.evict(until, &mut self.series);
        self.ledger.evict(until, &mut self.series);
        Ok(())
    }

    /// `None` until every partition of every input topic has finished a flush.
    fn closed_by_all(&self) -> Option<Timestamp> {
        for first in &self.inputs {
            let same_topic = || self.inputs.iter().filter(|input| input.topic == first.topic);
            let wanted = same_topic().map(|input| input.inputs).max()?;
            if i64::try_from(same_topic().count()).ok()? < i64::from(wanted) {
                return None;
            }
        }
        // One that has sent cells but finished no flush has closed nothing.
        self.inputs.iter().map(|input| input.closed_before).min()
    }

    fn check_limits(&self) -> Result<(), MonitorError> {
        let limits = self.rules.limits;
        for (what, held, limit, key) in [
            ("cells", self.cells, limits.max_cells, "limits.monitor_max_cells"),
            ("rows", self.windows.len(), limits.max_rows, "limits.monitor_max_rows"),
            ("budget states", self.ledger.len() + self.rolling.len(), limits.max_budget_states, "limits.monitor_max_budget_states"),
        ] {
            if held > limit {
                return Err(MonitorError::Limit { what, held, key });
            }
        }
        Ok(())
    }

    /// Emits what has changed since the last flush, as absolute values: rollups, budgets, rhythms, accounts, then alerts, each in the order in
    /// which the log changed them. Emits nothing after a failure.
    pub fn flush(&mut self, out: &mut dyn MonitorEffects) {
        if self.failed {
            return;
        }
        self.windows.flush(&self.rules.sets, self.closed, &mut self.series, out);
        self.ledger.flush(&self.rules, &mut self.series, out);
        self.rolling.flush(&self.rules, out);
        self.watch.flush(out);
        for input in self.inputs.iter_mut().filter(|input| input.dirty) {
            input.dirty = false;
            out.accounts(&AccountsRow {
                topic: &input.topic,
                partition: input.partition,
                shard: self.shard,
                shards: input.shards,
                accounts: input.accounts,
                revision: input.revision,
            });
        }
        for alert in self.ledger.alerts.drain(..).chain(self.rolling.alerts.drain(..)).chain(self.watch.alerts.drain(..)) {
            out.alert(&alert);
        }
    }

    /// What it holds.
    pub fn gauges(&self) -> MonitorGauges {
        let tables = self.inputs.iter().flat_map(|input| input.tables.values());
        MonitorGauges {
            cells: self.cells,
            rows: self.windows.len(),
            series: self.series.len(),
            inputs: self.inputs.len(),
            budget_states: self.ledger.len() + self.rolling.len(),
            bytes: tables.map(input::CellTable::bytes).sum::<usize>()
                + self.windows.bytes()
                + self.ledger.bytes()
                + self.rolling.bytes()
                + self.watch.bytes()
                + self.series.bytes(),
            watched_series: self.watch.len(),
            unwatched_series: self.watch.unwatched(),
            repeated_cells: self.repeated_cells,
            unknown_set_cells: self.unknown_set_cells,
            late_budget_changes: self.ledger.late_changes,
            unrated_budget_changes: self.ledger.unrated_changes,
        }
    }
}

fn overflow_of(BudgetOverflow(what): BudgetOverflow, offset: i64) -> MonitorError {
    MonitorError::Overflow { offset, what }
}

fn watch_overflow(offset: i64) -> MonitorError {
    MonitorError::Overflow { offset, what: "the hour of a watched series".to_owned() }
}

fn add_missing_sets(rules: &mut MonitorRules) {
    for budget in &rules.budgets {
        let wanted = budget.grouping_set(&rules.sets);
        if !rules.sets.iter().any(|set| set.name == wanted.name) {
            rules.sets.push(wanted);
        }
    }
}

#[cfg(test)]
mod tests;

//! Whatever crashes, repeats, zombies and interleavings do: rows equal a plain recount, and alerts those of a quiet run.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};
use schemas::{Bucket, Measures, Money, Timestamp};

use super::super::{Monitor, MonitorRules};
use super::world::{Cell, Head, Tables, ViewKey, at, block, rules, spent};

pub(super) const BUDGETS: &str = r#"
    [[budget]]
    name = "hourly"
    limit = "40"
    window = "hourly"
    thresholds = [{ at = "0.5", level = "info" }, { at = "0.8", level = "warning" }, { at = "1", level = "critical" }]
    [[budget]]
    name = "each"
    limit = "60"
    window = "daily"
    per = ["user_id"]
    thresholds = [{ at = "0.5", level = "warning" }, { at = "1", level = "critical" }]
"#;
pub(super) const START: &str = "2026-11-30T20:00:00Z";

/// A repeatable source of choices.
#[derive(Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) when: Timestamp,
    pub(super) user: &'static str,
    pub(super) cost: Money,
}

fn events(dice: &mut Dice, credits: bool) -> Vec<Event> {
    let mut clock = at(START);
    let count = 20 + dice.below(60);
    let mut events = Vec::new();
    for _ in 0..count {
        clock = clock.plus(dice.below(12) as i64 * MINUTE_US);
        let back = if dice.below(5) == 0 { dice.below(300) as i64 * MINUTE_US } else { 0 };
        let units = 1 + dice.below(5_000_000_000_000_000_000) as i128;
        let sign = if credits && dice.below(4) == 0 { -1 } else { 1 };
        events.push(Event {
            when: clock.plus(-back),
            user: ["ada", "bob", "eve"][dice.below(3) as usize],
            cost: Money::from_units(sign * units),
        });
    }
    events
}

/// Generation, and (version, value) by user; "" is `total`.
type Table = (i64, BTreeMap<&'static str, (i64, Measures)>);

/// A meter as plain as can be.
#[derive(Clone)]
struct PlainMeter {
    next: usize,
    watermark: Timestamp,
    closed_before: Timestamp,
    tables: BTreeMap<Bucket, Table>,
    dirty: BTreeSet<(Bucket, &'static str)>,
}

/// Blocks before `is_last` of a flush are separate: any prefix may get out before a crash.
type Flush = Vec<(Head, Vec<Cell>)>;

impl PlainMeter {
    fn new() -> Self {
        PlainMeter { next: 0, watermark: Timestamp::MIN, closed_before: Timestamp::MIN, tables: BTreeMap::new(), dirty: BTreeSet::new() }
    }

    /// Takes the next event; closings bring a flush of their own.
    fn step(&mut self, events: &[Event], retain_us: i64, dice: &mut Dice) -> Option<Flush> {
        let event = &events[self.next];
        let offset = self.next as i64;
        self.next += 1;
        let bucket = Bucket::of(event.when);
        let table = self.tables.entry(bucket).or_insert_with(|| (offset, BTreeMap::new()));
        for series in ["", event.user] {
            let cell = table.1.entry(series).or_insert((0, Measures::EMPTY));
            cell.0 = offset + 1;
            cell.1.merge(&spent(event.cost, event.when)).unwrap();
            self.dirty.insert((bucket, series));
        }
        self.watermark = self.watermark.max(event.when);
        let closed_before = Bucket::of(self.watermark.plus(-MINUTE_US)).start();
        (closed_before > self.closed_before).then(|| {
            self.closed_before = closed_before;
            let (sealed, cells) = (self.sealed(retain_us), self.take_dirty());
            for (bucket, _) in &sealed {
                self.tables.remove(bucket);
            }
            self.blocks(cells, sealed, dice)
        })
    }

    fn sealed(&self, retain_us: i64) -> Vec<(Bucket, i64)> {
        let due = |bucket: &Bucket| bucket.end().plus(retain_us) <= self.watermark;
        self.tables.iter().filter(|(bucket, _)| due(bucket)).map(|(bucket, table)| (*bucket, table.0)).collect()
    }

    fn take_dirty(&mut self) -> Vec<Cell> {
        let cells = std::mem::take(&mut self.dirty).into_iter().map(|(bucket, series)| {
            let (generation, table) = &self.tables[&bucket];
            let (version, measures) = table[series];
            let (set, values) = if series.is_empty() { ("total", vec![]) } else { ("user", vec![series.to_owned()]) };
            Cell { set, values, bucket, generation: *generation, version, measures }
        });
        cells.collect()
    }

    fn blocks(&self, cells: Vec<Cell>, sealed: Vec<(Bucket, i64)>, dice: &mut Dice) -> Flush {
        let size = 1 + dice.below(4) as usize;
        let mut blocks: Flush = cells
            .chunks(size)
            .map(|some| (Head { closed_before: self.closed_before, ..Head::open(self.next as i64) }, some.to_vec()))
            .collect();
        let last = Head { sealed, ..Head::last(self.next as i64).closing(self.closed_before) };
        match blocks.last_mut() {
            Some(block) if dice.below(2) == 0 => block.0 = last,
            _ => blocks.push((last, Vec::new())),
        }
        blocks
    }

    fn flush(&mut self, dice: &mut Dice) -> Flush {
        let cells = self.take_dirty();
        self.blocks(cells, Vec::new(), dice)
    }
}

/// One input with its crashes and zombies.
struct Input {
    events: Vec<Event>,
    meter: PlainMeter,
    checkpoint: PlainMeter,
    /// What a process that does not know that it was replaced still sends.
    zombie: Vec<Vec<(Head, Vec<Cell>)>>,
}

/// The partials log of a run over these inputs.
pub(super) fn log(inputs: Vec<Vec<Event>>, trouble: bool, retain_us: i64, dice: &mut Dice) -> Vec<Vec<u8>> {
    let count = inputs.len();
    let mut log = Vec::new();
    let mut state: Vec<Input> = inputs
        .into_iter()
        .map(|events| Input { events, meter: PlainMeter::new(), checkpoint: PlainMeter::new(), zombie: Vec::new() })
        .collect();
    let mut crashes = if trouble { 12 } else { 0 };
    while state.iter().any(|input| input.meter.next < input.events.len()) {
        let number = dice.below(count as u64) as usize;
        let input = &mut state[number];
        let mut send =
            |flush: Flush| log.extend(flush.into_iter().map(|(head, cells)| block(&head.of(number as i32, count as i32), &cells)));
        if !input.zombie.is_empty() && dice.below(3) == 0 {
            send(input.zombie.remove(0));
        }
        let crash = crashes > 0 && dice.below(12) == 0;
        let flush = match input.meter.next < input.events.len() && dice.below(3) > 0 {
            true => input.meter.step(&input.events, retain_us, dice),
            false => Some(input.meter.flush(dice)),
        };
        if crash {
            crashes -= 1;
            // Some of the last flush gets out, and perhaps the old process lives on for a while.
            let mut unsent = flush.unwrap_or_default();
            let later = unsent.split_off(dice.below(unsent.len() as u64 + 1) as usize);
            send(unsent);
            let mut old = input.meter.clone();
            input.meter = input.checkpoint.clone();
            if dice.below(2) == 0 {
                // Its records stay in order: nothing is missing between them.
                input.zombie.extend((!later.is_empty()).then_some(later));
                for _ in 0..dice.below(20) {
                    let taken = (old.next < input.events.len()).then(|| old.step(&input.events, retain_us, dice)).flatten();
                    input.zombie.extend(taken);
                    if dice.below(3) == 0 {
                        input.zombie.push(old.flush(dice));
                    }
                }
            }
        } else if let Some(flush) = flush {
            send(flush);
            if dice.below(10) == 0 && input.meter.dirty.is_empty() {
                input.checkpoint = input.meter.clone();
            }
        }
    }
    let end = at(START).plus(40 * DAY_US);
    for (number, input) in state.iter_mut().enumerate() {
        input.meter.closed_before = end;
        let flushes = [input.meter.flush(dice)].into_iter().chain(input.zombie.drain(..));
        for (head, cells) in flushes.flatten() {
            log.push(block(&head.of(number as i32, count as i32), &cells));
        }
    }
    log
}

/// Folds a log, flushing when the dice say so.
pub(super) fn fold(rules: &MonitorRules, log: &[Vec<u8>], dice: &mut Dice, restart: bool) -> Tables {
    let mut monitor = Monitor::new(rules.clone(), 0);
    let mut tables = Tables::default();
    for (offset, payload) in log.iter().enumerate() {
        monitor.apply(offset as i64, payload).unwrap();
        if dice.below(4) == 0 {
            monitor.flush(&mut tables);
        }
        if restart {
            monitor = Monitor::restore(&monitor.snapshot().unwrap(), rules.clone()).unwrap();
        }
    }
    monitor.flush(&mut tables);
    assert_eq!(monitor.gauges().unknown_set_cells, 0);
    tables
}

/// Sums every event up by itself, sharing nothing with the monitor.
fn recount(inputs: &[Vec<Event>]) -> BTreeMap<ViewKey, Measures> {
    let mut counted: BTreeMap<ViewKey, Measures> = BTreeMap::new();
    for event in inputs.iter().flatten() {
        let us = event.when.micros();
        let month = at(&format!("{}-01T00:00:00Z", &event.when.to_string()[..7]));
        for (granularity, start) in [
            ("quarter_hour", Timestamp::from_micros(us - us % (15 * MINUTE_US))),
            ("hour", Timestamp::from_micros(us - us % HOUR_US)),
            ("day", Timestamp::from_micros(us - us % DAY_US)),
            ("month", month),
        ] {
            for (set, values) in [("total", vec![]), ("user", vec![event.user.to_owned()])] {
                let sum = counted.entry((set.to_owned(), granularity, start, values)).or_insert(Measures::EMPTY);
                sum.events += 1;
                sum.cost = Money::from_units(sum.cost.units() + event.cost.units());
                sum.credit = Money::from_units(sum.credit.units() + event.cost.units().min(0));
                sum.latency_count += 1;
                sum.latency_ms_sum += 3;
                sum.latency_ms_max = 3;
                sum.first_event_at = sum.first_event_at.min(event.when);
                sum.last_event_at = sum.last_event_at.max(event.when);
            }
        }
    }
    counted
}

/// What differs; whole tables are too long to read.
pub(super) fn differences<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    found: &BTreeMap<K, V>,
    wanted: &BTreeMap<K, V>,
) -> Vec<String> {
    let keys: BTreeSet<&K> = found.keys().chain(wanted.keys()).collect();
    let differing = keys.into_iter().filter(|key| found.get(key) != wanted.get(key));
    differing.take(2).map(|key| format!("{key:?}: {:?}, wanted {:?}", found.get(key), wanted.get(key))).collect()
}

pub(super) fn some_inputs(dice: &mut Dice, credits: bool) -> Vec<Vec<Event>> {
    (0..1 + dice.below(3)).map(|_| events(dice, credits)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_equal_a_recount_whatever_happens(seed: u64, meter_hours in 0_i64..4, monitor_hours in 0_i64..4) {
        let dice = &mut Dice(seed);
        let inputs = some_inputs(dice, true);
        let rules = MonitorRules { retain_us: monitor_hours * HOUR_US, ..rules(BUDGETS) };
        let log = log(inputs.clone(), true, meter_hours * HOUR_US, dice);
        let tables = fold(&rules, &log, dice, false);
        prop_assert_eq!(differences(&tables.view(), &recount(&inputs)), Vec::<String>::new());
        prop_assert!(tables.rows.values().all(|row| row.1), "everything is final in the end");
        for (number, input) in inputs.iter().enumerate() {
            prop_assert_eq!(tables.accounts[&(number as i32)].1.next_offset, input.len() as i64);
        }
    }

    #[test]
    fn alerts_are_those_of_a_quiet_run(seed: u64, credits: bool, meter_hours in 0_i64..4, monitor_hours in 0_i64..30) {
        let dice = &mut Dice(seed);
        let inputs = some_inputs(dice, credits);
        let rules = MonitorRules { retain_us: monitor_hours * HOUR_US, ..rules(BUDGETS) };
        let quiet_log = log(inputs.clone(), false, meter_hours * HOUR_US, dice);
        let quiet = fold(&rules, &quiet_log, dice, false);
        let troubled_log = log(inputs, true, meter_hours * HOUR_US, dice);
        let troubled = fold(&rules, &troubled_log, dice, false);
        prop_assert_eq!(troubled.told(), quiet.told());
        prop_assert_eq!(troubled.alerts.len(), troubled.alert_ids().len(), "each once");
        prop_assert_eq!(differences(&troubled.view(), &quiet.view()), Vec::<String>::new());
        let sums = |tables: &Tables| tables.budgets.iter().map(|(key, row)| (key.clone(), row.1, row.3.clone())).collect::<Vec<_>>();
        prop_assert_eq!(sums(&troubled), sums(&quiet));
    }

    #[test]
    fn a_restart_after_every_record_changes_nothing(seed: u64, monitor_hours in 0_i64..30) {
        let dice = &mut Dice(seed);
        let inputs = some_inputs(dice, true);
        let rules = MonitorRules { retain_us: monitor_hours * HOUR_US, ..rules(BUDGETS) };
        let log = log(inputs, true, HOUR_US, dice);
        let same_flushes = dice.clone();
        let restarted = fold(&rules, &log, &mut same_flushes.clone(), true);
        let steady = fold(&rules, &log, &mut same_flushes.clone(), false);
        prop_assert!(restarted.log == steady.log);
        // Other moments of flushing: the same in the end.
        let other = fold(&rules, &log, dice, false);
        prop_assert_eq!(differences(&other.rows, &steady.rows), Vec::<String>::new());
        prop_assert_eq!(differences(&other.budgets, &steady.budgets), Vec::<String>::new());
        prop_assert_eq!(other.alerts, steady.alerts);
    }
}

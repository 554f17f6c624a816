//! Rows for tests: a seeded stream of random ones, and helpers to make single ones.

use runtime::io::{RowBatch, Table};
use schemas::rollup::{AccountsRow, Granularity, RollupRow};
use schemas::{Accounts, GroupingSet, Measures, Money, Timestamp};
use sinks::clickhouse::rows::{self, Block};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub granularity: Granularity,
    pub set: String,
    pub window_start: Timestamp,
    pub values: Vec<String>,
    pub generation: i64,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub key: Key,
    pub revision: i64,
    pub is_final: bool,
    pub measures: Measures,
}

const VALUES: [&str; 6] = ["", "anthropic", "tab\there 'quoted' \\", "new\nline", "emoji 🙂 and NUL \0", "__other__"];

pub fn random_row(random: &mut Random, sets: &[GroupingSet]) -> Row {
    let set = &sets[random.below(sets.len() as u64) as usize];
    let granularity = Granularity::ALL[random.below(4) as usize];
    let day = 86_400 * random.below(70);
    let seconds = match granularity {
        Granularity::QuarterHour => day + 900 * random.below(2),
        Granularity::Hour => day + 3600 * random.below(2),
        Granularity::Day => day,
        Granularity::Month => 86_400 * 30 * random.below(3),
    };
    let window_start = Timestamp::parse("2026-09-01T00:00:00Z").unwrap().plus(seconds as i64 * 1_000_000);
    let values = set.key.iter().map(|_| VALUES[random.below(VALUES.len() as u64) as usize].to_owned()).collect();
    let generation = [0, 0, 17, 1 << 40][random.below(4) as usize];
    let key = Key { granularity, set: set.name.clone(), window_start, values, generation };
    let revision = random.below(6) as i64;
    row(key, revision)
}

/// The value is a function of key and revision, as it is of the log: a repeat is identical.
pub fn row(key: Key, revision: i64) -> Row {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    (&key, revision).hash(&mut hasher);
    let mut random = Random(hasher.finish());
    let first = key.window_start.plus(random.below(800_000_000) as i64);
    let money = |random: &mut Random| match random.below(4) {
        0 => Money::from_units(1),
        1 => Money::from_units(-1),
        2 => Money::from_units(i128::from(random.next()) * 1_000_000_007),
        _ => Money::from_units(-i128::from(random.next())),
    };
    let tokens = |random: &mut Random| i128::from(random.next()) * if random.below(2) == 0 { 1 } else { -1_000_000_000_000 };
    let measures = Measures {
        events: random.below(1 << 50),
        calls: random.below(1000),
        errors: random.below(1000),
        unpriced_events: random.below(1000),
        uncached_input_tokens: tokens(&mut random),
        cache_read_tokens: tokens(&mut random),
        cache_write_tokens: tokens(&mut random),
        output_tokens: tokens(&mut random),
        reasoning_tokens: tokens(&mut random),
        cost: money(&mut random),
        credit: money(&mut random),
        revenue: money(&mut random),
        latency_count: random.below(1000),
        latency_ms_sum: tokens(&mut random).abs(),
        latency_ms_max: random.below(1 << 40),
        first_event_at: first,
        last_event_at: first.plus(random.below(1_000_000) as i64),
    };
    Row { key, revision, is_final: random.below(2) == 0, measures }
}

impl Row {
    pub fn put(&self, out: &mut Block) {
        let key = &self.key;
        let row = RollupRow {
            set: &key.set,
            granularity: key.granularity,
            window_start: key.window_start,
            values: &key.values,
            generation: key.generation,
            revision: self.revision,
            is_final: self.is_final,
            measures: self.measures,
        };
        rows::put_rollup(out, &row).unwrap();
    }
}

/// A row of `hourly_total` in hour number `hour` with this cost.
pub fn total(hour: i64, revision: i64, cost: Money) -> Row {
    let window_start = Timestamp::parse("2026-11-01T00:00:00Z").unwrap().plus(hour * 3_600_000_000);
    let key = Key { granularity: Granularity::Hour, set: "total".to_owned(), window_start, values: Vec::new(), generation: 0 };
    let measures = Measures { events: 1, cost, first_event_at: window_start, last_event_at: window_start, ..Measures::EMPTY };
    Row { key, revision, is_final: false, measures }
}

pub fn rollups<'r>(rows: impl IntoIterator<Item = &'r Row>) -> RowBatch {
    let mut block = Block::new(Table::Rollups);
    rows.into_iter().for_each(|row| row.put(&mut block));
    block.take().unwrap()
}

pub fn accounts(shard: i32, shards: i32, counted: u64, revision: i64) -> RowBatch {
    let accounts = Accounts { first_offset: 100, next_offset: 100 + counted as i64, counted, ..Accounts::default() };
    let mut block = Block::new(Table::Accounts);
    rows::put_accounts(&mut block, &AccountsRow { topic: "usage-events", partition: 0, shard, shards, accounts, revision });
    block.take().unwrap()
}

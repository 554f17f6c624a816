//! Reads the rows back that the sinks write, independently of their writer: ClickHouse's RowBinary by its documentation,
//! <https://clickhouse.com/docs/interfaces/formats/RowBinary>. A row that is cut short reads as zeros and shows as a wrong row.

/// Key of a rollup row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RollupKey {
    /// 1 to 4: quarter hour, hour, day, month.
    pub(crate) granularity: i8,
    /// Grouping set.
    pub(crate) set: String,
    /// Seconds since 1970.
    pub(crate) window_start: u32,
    /// The set's values.
    pub(crate) values: Vec<String>,
    /// Generation.
    pub(crate) generation: i64,
}

/// The rest of a rollup row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RollupValue {
    /// Revision.
    pub(crate) revision: i64,
    /// Is the window closed?
    pub(crate) is_final: bool,
    /// events, calls, errors, unpriced events, five token sums, cost, credit, revenue, latency count and sum.
    sums: [i128; 14],
    latency_ms_max: u64,
    first_event_us: i64,
    last_event_us: i64,
}

impl RollupValue {
    /// Counted events.
    pub(crate) fn events(&self) -> i128 {
        self.sums[0]
    }

    /// Adds another generation, as the views do.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum += more;
        }
        self.latency_ms_max = self.latency_ms_max.max(other.latency_ms_max);
        self.first_event_us = self.first_event_us.min(other.first_event_us);
        self.last_event_us = self.last_event_us.max(other.last_event_us);
    }

    /// The line that the audit's query gets.
    pub(crate) fn line(&self, window_start: u32, values: &[String]) -> String {
        let mut cells = vec![window_start.to_string()];
        cells.extend(values.iter().map(|value| value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")));
        cells.extend([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13].map(|at: usize| self.sums[at].to_string()));
        cells.push(self.latency_ms_max.to_string());
        cells.extend([9, 11].map(|at: usize| decimal(self.sums[at])));
        cells.extend([self.first_event_us.to_string(), self.last_event_us.to_string()]);
        cells.join("\t") + "\n"
    }
}

/// Units of 10^-18 as decimal text.
fn decimal(units: i128) -> String {
    let scale = 10_u128.pow(18);
    let (whole, fraction) = (units.unsigned_abs() / scale, units.unsigned_abs() % scale);
    let sign = if units < 0 { "-" } else { "" };
    if fraction == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{}", format!("{fraction:018}").trim_end_matches('0')) }
}

/// Budget, scope, start of the period.
pub(crate) type BudgetKey = (String, String, u32);

/// The rest of a budget's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BudgetValue {
    /// Revision.
    pub(crate) revision: i64,
    /// Period, end, currency, spent, limit and level.
    pub(crate) text: String,
    /// An observation of a moment: runs may differ in it.
    projection: Option<i128>,
}

/// A row of one shard's progress with one input partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountsRow {
    /// Input topic.
    pub(crate) topic: String,
    /// Input partition.
    pub(crate) partition: i32,
    /// Partition of the partials topic.
    pub(crate) shard: i32,
    /// How many shards there are.
    pub(crate) shards: i32,
    /// First offset ever read.
    pub(crate) first_offset: i64,
    /// First offset not accounted for.
    pub(crate) next_offset: i64,
    /// counted, duplicate, conflict, late, rejected, skipped.
    pub(crate) outcomes: [u64; 6],
    /// Revision.
    pub(crate) revision: i64,
}

/// Reads values one after another.
pub(crate) struct RowReader<'a> {
    bytes: &'a [u8],
}

impl<'a> RowReader<'a> {
    /// From the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        RowReader { bytes }
    }

    /// Is everything read?
    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (value, rest) = self.bytes.split_first_chunk::<N>().map_or(([0; N], &[][..]), |(value, rest)| (*value, rest));
        self.bytes = rest;
        value
    }

    fn length(&mut self) -> usize {
        let (mut length, mut shift) = (0, 0);
        loop {
            let [byte] = self.take();
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 56 {
                return length;
            }
        }
    }

    fn text(&mut self) -> String {
        let length = self.length().min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn i128(&mut self) -> i128 {
        i128::from_le_bytes(self.take())
    }

    fn nullable(&mut self) -> Option<i128> {
        let [is_null] = self.take();
        (is_null == 0).then(|| self.i128())
    }

    /// A row of `rollups`.
    pub(crate) fn rollup(&mut self) -> (RollupKey, RollupValue) {
        let [granularity] = self.take();
        let (set, window_start) = (self.text(), u32::from_le_bytes(self.take()));
        let values = (0..self.length()).map(|_| self.text()).collect();
        let key = RollupKey { granularity: granularity as i8, set, window_start, values, generation: self.i64() };
        let revision = self.i64();
        let [is_final] = self.take();
        let mut sums = [0; 14];
        for count in &mut sums[..4] {
            *count = self.u64().into();
        }
        for sum in &mut sums[4..12] {
            *sum = self.i128();
        }
        sums[12] = self.u64().into();
        sums[13] = self.i128();
        let latency_ms_max = self.u64();
        let (first_event_us, last_event_us) = (self.i64(), self.i64());
        (key, RollupValue { revision, is_final: is_final != 0, sums, latency_ms_max, first_event_us, last_event_us })
    }

    /// A row of `budget_rows`.
    pub(crate) fn budget(&mut self) -> (BudgetKey, BudgetValue) {
        let (budget, scope, period) = (self.text(), self.text(), self.text());
        let (start, end) = (u32::from_le_bytes(self.take()), u32::from_le_bytes(self.take()));
        let (currency, spent, limit, projection) = (self.text(), self.i128(), self.i128(), self.nullable());
        let (level, revision) = (self.text(), self.i64());
        let text = format!("{period} until {end}: {spent} of {limit} {currency} {level}");
        ((budget, scope, start), BudgetValue { revision, text, projection })
    }

    /// A row of `alert_rows`: id, everything else.
    pub(crate) fn alert(&mut self) -> (String, String) {
        let id = self.text();
        let texts: Vec<String> = (0..5).map(|_| self.text()).collect();
        let amounts: Vec<Option<i128>> = (0..3).map(|_| self.nullable()).collect();
        let (currency, occurred_at, data) = (self.text(), self.i64(), self.text());
        (id, format!("{texts:?} {amounts:?} {currency} {occurred_at} {data}"))
    }

    /// A row of `shard_accounts`.
    pub(crate) fn accounts(&mut self) -> AccountsRow {
        let topic = self.text();
        let [partition, shard, shards] = [0; 3].map(|_| i32::from_le_bytes(self.take()));
        let (first_offset, next_offset) = (self.i64(), self.i64());
        let outcomes = [0; 6].map(|_| self.u64());
        AccountsRow { topic, partition, shard, shards, first_offset, next_offset, outcomes, revision: self.i64() }
    }
}

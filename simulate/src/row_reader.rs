//! Reads the rows back that the sinks write, independently of their writer: a block of ClickHouse's Native format by its documentation,
//! <https://clickhouse.com/docs/interfaces/formats/Native>. A block that is cut short reads as zeros and shows as wrong rows.

use std::collections::BTreeMap;

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
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (value, rest) = self.0.split_first_chunk::<N>().map_or(([0; N], &[][..]), |(value, rest)| (*value, rest));
        self.0 = rest;
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
        let length = self.length().min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn number(&mut self, kind: &str) -> Option<i128> {
        Some(match kind {
            "Int8" | "Bool" => i8::from_le_bytes(self.take()).into(),
            "Int32" => i32::from_le_bytes(self.take()).into(),
            "DateTime('UTC')" => u32::from_le_bytes(self.take()).into(),
            // As bits: they are compared and nothing else.
            "Float64" => i64::from_le_bytes(self.take()).into(),
            "Int64" | "DateTime64(6, 'UTC')" => i64::from_le_bytes(self.take()).into(),
            "UInt64" => u64::from_le_bytes(self.take()).into(),
            "Int128" | "Decimal(38, 18)" => i128::from_le_bytes(self.take()),
            _ => return None,
        })
    }

    /// A whole column; of maps the texts, which nobody asks for.
    fn column(&mut self, kind: &str, rows: usize) -> Column {
        if kind == "String" {
            return Column::Texts((0..rows).map(|_| self.text()).collect());
        }
        if kind == "Array(String)" {
            let ends: Vec<u64> = (0..rows).map(|_| u64::from_le_bytes(self.take())).collect();
            let lengths = std::iter::once(0).chain(ends.iter().copied()).zip(&ends).map(|(from, to)| to.saturating_sub(from));
            return Column::Lists(lengths.map(|length| (0..length).map(|_| self.text()).collect()).collect());
        }
        if kind == "Map(String, String)" {
            let ends: Vec<u64> = (0..rows).map(|_| u64::from_le_bytes(self.take())).collect();
            let pairs = 2 * ends.last().copied().unwrap_or_default();
            return Column::Texts((0..pairs).map(|_| self.text()).collect());
        }
        if let Some(kind) = kind.strip_prefix("Nullable(").and_then(|kind| kind.strip_suffix(')')) {
            let nulls: Vec<[u8; 1]> = (0..rows).map(|_| self.take()).collect();
            return Column::Numbers(nulls.iter().map(|null| self.number(kind).filter(|_| *null == [0])).collect());
        }
        Column::Numbers((0..rows).map(|_| self.number(kind)).collect())
    }
}

enum Column {
    Numbers(Vec<Option<i128>>),
    Texts(Vec<String>),
    Lists(Vec<Vec<String>>),
}

/// The columns of a block, by name.
pub(crate) struct BlockReader {
    columns: BTreeMap<String, Column>,
    /// How many rows the block says it has.
    pub(crate) rows: usize,
    /// Was there exactly what the block says?
    pub(crate) is_whole: bool,
}

impl BlockReader {
    /// Reads everything.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes);
        let (count, rows) = (bytes.length(), bytes.length());
        let columns: BTreeMap<_, _> = (0..count)
            .map(|_| {
                let (name, kind) = (bytes.text(), bytes.text());
                (name, bytes.column(&kind, rows))
            })
            .collect();
        BlockReader { is_whole: bytes.0.is_empty() && columns.len() == count, columns, rows }
    }

    fn nullable(&self, column: &str, row: usize) -> Option<i128> {
        let Some(Column::Numbers(values)) = self.columns.get(column) else { return None };
        *values.get(row)?
    }

    /// A number that is none, or too large for where it goes, reads as 0 and shows as a wrong row.
    fn number<N: TryFrom<i128> + Default>(&self, column: &str, row: usize) -> N {
        self.nullable(column, row).and_then(|number| number.try_into().ok()).unwrap_or_default()
    }

    fn text(&self, column: &str, row: usize) -> String {
        let Some(Column::Texts(values)) = self.columns.get(column) else { return String::new() };
        values.get(row).cloned().unwrap_or_default()
    }

    /// A row of `rollups`.
    pub(crate) fn rollup(&self, row: usize) -> (RollupKey, RollupValue) {
        let values = match self.columns.get("values") {
            Some(Column::Lists(lists)) => lists.get(row).cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        let key = RollupKey {
            granularity: self.number("granularity", row),
            set: self.text("set", row),
            window_start: self.number("window_start", row),
            values,
            generation: self.number("generation", row),
        };
        let sums = [
            "events",
            "calls",
            "errors",
            "unpriced_events",
            "uncached_input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "cost",
            "credit",
            "revenue",
            "latency_count",
            "latency_ms_sum",
        ];
        let value = RollupValue {
            revision: self.number("revision", row),
            is_final: self.number::<u8>("is_final", row) != 0,
            sums: sums.map(|column| self.number(column, row)),
            latency_ms_max: self.number("latency_ms_max", row),
            first_event_us: self.number("first_event_at", row),
            last_event_us: self.number("last_event_at", row),
        };
        (key, value)
    }

    /// A row of `budget_rows`.
    pub(crate) fn budget(&self, row: usize) -> (BudgetKey, BudgetValue) {
        let text = |column| self.text(column, row);
        let (spent, limit, end): (i128, i128, u32) = (self.number("spent", row), self.number("limit", row), self.number("period_end", row));
        let shown = format!("{} until {end}: {spent} of {limit} {} {}", text("period"), text("currency"), text("level"));
        let value = BudgetValue { revision: self.number("revision", row), text: shown, projection: self.nullable("projection", row) };
        ((text("budget"), text("scope"), self.number("period_start", row)), value)
    }

    /// A row of `alert_rows`: id, everything else.
    pub(crate) fn alert(&self, row: usize) -> (String, String) {
        let texts = ["rule", "scope", "period", "level", "state", "currency", "data"].map(|column| self.text(column, row));
        let amounts = ["threshold", "current", "previous"].map(|column| self.nullable(column, row));
        let occurred_at: i64 = self.number("occurred_at", row);
        (self.text("id", row), format!("{texts:?} {amounts:?} {occurred_at}"))
    }

    /// A row of `rhythm`: scope and hour, everything else.
    pub(crate) fn rhythm(&self, row: usize) -> ((String, u32), String) {
        let measures = ["actual", "expected", "coherence", "phase", "entropy"].map(|column| self.nullable(column, row));
        let (scope, hour) = (self.text("scope", row), self.number("hour", row));
        ((scope, hour), format!("{measures:?} {}", self.text("state", row)))
    }

    /// A row of `pace_rows`: budget, scope and hour, everything else.
    pub(crate) fn pace(&self, row: usize) -> ((String, u32), String) {
        let amounts = ["spent", "forecast", "low", "high", "straight_line"].map(|column| self.number::<i128>(column, row));
        let measures = ["confidence", "gate_score", "roi", "slo", "age_days"].map(|column| self.nullable(column, row));
        let texts = ["period", "action", "state"].map(|column| self.text(column, row));
        let key = format!("budget {} {}", self.text("budget", row), self.text("scope", row));
        ((key, self.number("hour", row)), format!("{texts:?} {amounts:?} {measures:?}"))
    }

    /// A row of `anomaly_rows`: rule, scope, beginning and hour, everything else.
    pub(crate) fn anomaly(&self, row: usize) -> ((String, u32), String) {
        let amounts = ["actual", "expected"].map(|column| self.number::<i128>(column, row));
        let since: u32 = self.number("since", row);
        let key = format!("{} {} since {since}", self.text("rule", row), self.text("scope", row));
        let is_over: u8 = self.number("is_over", row);
        ((key, self.number("hour", row)), format!("{} {amounts:?} {is_over}", self.text("level", row)))
    }

    /// A row of `usage_event_rows`: partition and offset, everything that money hangs on.
    pub(crate) fn usage_event(&self, row: usize) -> ((i32, i64), String) {
        let texts = ["source", "event_id", "adjusts", "price_version", "provider", "model", "user_id"].map(|column| self.text(column, row));
        let numbers = ["occurred_at", "kind", "uncached_input_tokens", "output_tokens", "amount", "cost", "cost_status", "revenue"];
        let numbers = numbers.map(|column| self.nullable(column, row));
        ((self.number("partition", row), self.number("offset", row)), format!("{texts:?} {numbers:?}"))
    }

    /// A row of `shard_accounts`.
    pub(crate) fn accounts(&self, row: usize) -> AccountsRow {
        AccountsRow {
            topic: self.text("topic", row),
            partition: self.number("partition", row),
            shard: self.number("shard", row),
            shards: self.number("shards", row),
            first_offset: self.number("first_offset", row),
            next_offset: self.number("next_offset", row),
            outcomes: ["counted", "duplicate", "conflict", "late", "rejected", "skipped"].map(|column| self.number(column, row)),
            revision: self.number("revision", row),
        }
    }
}

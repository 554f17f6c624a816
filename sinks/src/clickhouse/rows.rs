//! Every row, appended to a block of its table: nothing is allocated per row beyond the block's growth. Golden files hold the bytes. On an error
//! the block is as it was before the row.

use runtime::io::Table;
use schemas::rollup::{AccountsRow, AlertRow, AnomalyRow, BudgetRow, PaceRow, RhythmRow, RollupRow, UsageEventRow};
use schemas::{Amount, Dimension, Kind, Measures};

pub use super::block::{Block, ColumnType, OutOfRange};
use super::block::{Micros, RowWriter, Seconds};

/// Where rows of a table are inserted.
pub const fn table_name(table: Table) -> &'static str {
    match table {
        Table::Rollups => "rollups",
        Table::UsageEvents => "usage_event_rows",
        Table::Alerts => "alert_rows",
        Table::Budgets => "budget_rows",
        Table::Rhythm => "rhythm_rows",
        Table::Pace => "pace_rows",
        Table::Anomalies => "anomaly_rows",
        Table::Accounts => "shard_accounts",
    }
}

/// Name and type of a table's columns, in the order in which a row's values are written.
pub const fn columns(table: Table) -> &'static [(&'static str, ColumnType)] {
    use ColumnType::{
        Bool, Int8, Int32, Int64, Int128, Micros, Money, NullableFloat64, NullableInt8, NullableMoney, NullableSeconds, NullableUInt64,
        Pairs, Seconds, Text, Texts, UInt64,
    };
    match table {
        Table::Rollups => &[
            ("granularity", Int8),
            ("set", Text),
            ("window_start", Seconds),
            ("values", Texts),
            ("generation", Int64),
            ("revision", Int64),
            ("is_final", Bool),
            ("events", UInt64),
            ("calls", UInt64),
            ("errors", UInt64),
            ("unpriced_events", UInt64),
            ("uncached_input_tokens", Int128),
            ("cache_read_tokens", Int128),
            ("cache_write_tokens", Int128),
            ("output_tokens", Int128),
            ("reasoning_tokens", Int128),
            ("cost", Money),
            ("credit", Money),
            ("revenue", Money),
            ("latency_count", UInt64),
            ("latency_ms_sum", Int128),
            ("latency_ms_max", UInt64),
            ("first_event_at", Micros),
            ("last_event_at", Micros),
        ],
        Table::UsageEvents => &[
            ("topic", Text),
            ("partition", Int32),
            ("offset", Int64),
            ("event_id", Text),
            ("source", Text),
            ("occurred_at", Micros),
            ("kind", Int8),
            ("adjusts", Text),
            ("provider", Text),
            ("model", Text),
            ("service", Text),
            ("feature", Text),
            ("route", Text),
            ("task_type", Text),
            ("team", Text),
            ("project", Text),
            ("environment", Text),
            ("cost_center", Text),
            ("user_id", Text),
            ("operation", Text),
            ("owner", Text),
            ("tier", Text),
            ("uncached_input_tokens", Int64),
            ("cache_read_tokens", Int64),
            ("cache_write_5m_tokens", Int64),
            ("cache_write_1h_tokens", Int64),
            ("output_tokens", Int64),
            ("reasoning_tokens", Int64),
            ("amount", NullableMoney),
            ("currency", Text),
            ("cost", Money),
            ("cost_status", Int8),
            ("price_version", Text),
            ("revenue", Money),
            ("revenue_amount", NullableMoney),
            ("revenue_currency", Text),
            ("latency_ms", NullableUInt64),
            ("status", Text),
            ("error_type", Text),
            ("tags", Pairs),
            ("attributes", Pairs),
        ],
        Table::Alerts => &[
            ("id", Text),
            ("rule", Text),
            ("scope", Text),
            ("period", Text),
            ("level", Text),
            ("state", Text),
            ("threshold", NullableMoney),
            ("current", NullableMoney),
            ("previous", NullableMoney),
            ("currency", Text),
            ("occurred_at", Micros),
            ("data", Text),
            ("silenced", Text),
        ],
        Table::Budgets => &[
            ("budget", Text),
            ("scope", Text),
            ("period", Text),
            ("period_start", Seconds),
            ("period_end", Seconds),
            ("currency", Text),
            ("spent", Money),
            ("limit", Money),
            ("projection", NullableMoney),
            ("level", Text),
            ("revision", Int64),
        ],
        Table::Rhythm => &[
            ("scope", Text),
            ("hour", Seconds),
            ("actual", NullableMoney),
            ("expected", NullableMoney),
            ("coherence", NullableFloat64),
            ("phase", NullableFloat64),
            ("entropy", NullableFloat64),
            ("state", Text),
            ("state_code", NullableInt8),
            ("revision", Int64),
        ],
        Table::Pace => &[
            ("budget", Text),
            ("scope", Text),
            ("period", Text),
            ("period_start", Seconds),
            ("period_end", Seconds),
            ("hour", Seconds),
            ("currency", Text),
            ("spent", Money),
            ("limit", Money),
            ("forecast", Money),
            ("low", Money),
            ("high", Money),
            ("straight_line", Money),
            ("exceeded_at", NullableSeconds),
            ("action", Text),
            ("confidence", NullableFloat64),
            ("gate_score", NullableFloat64),
            ("roi", NullableFloat64),
            ("slo", NullableFloat64),
            ("age_days", NullableFloat64),
            ("state", Text),
            ("revision", Int64),
        ],
        Table::Anomalies => &[
            ("rule", Text),
            ("scope", Text),
            ("since", Seconds),
            ("hour", Seconds),
            ("level", Text),
            ("actual", Money),
            ("expected", Money),
            ("is_over", Bool),
            ("revision", Int64),
        ],
        Table::Accounts => &[
            ("topic", Text),
            ("partition", Int32),
            ("shard", Int32),
            ("shards", Int32),
            ("first_offset", Int64),
            ("next_offset", Int64),
            ("counted", UInt64),
            ("duplicate", UInt64),
            ("conflict", UInt64),
            ("late", UInt64),
            ("rejected", UInt64),
            ("skipped", UInt64),
            ("revision", Int64),
        ],
    }
}

/// Appends a row of `rollups`.
///
/// # Errors
/// [`OutOfRange`] for a window or event time that its column cannot hold.
pub fn put_rollup<V: AsRef<str>>(block: &mut Block, row: &RollupRow<'_, V>) -> Result<(), OutOfRange> {
    debug_assert_eq!(block.table, Table::Rollups);
    let measures = &row.measures;
    let window_start = Seconds::of("window_start", row.window_start)?;
    let first_event_at = Micros::of("first_event_at", measures.first_event_at)?;
    let last_event_at = Micros::of("last_event_at", measures.last_event_at)?;
    let mut w = block.row();
    w.int8(row.granularity as i8 + 1);
    w.text(row.set);
    w.seconds(window_start);
    w.texts(row.values);
    w.int64(row.generation);
    w.int64(row.revision);
    w.boolean(row.is_final);
    put_sums(&mut w, measures);
    w.micros(first_event_at);
    w.micros(last_event_at);
    Ok(())
}

fn put_sums(w: &mut RowWriter<'_>, m: &Measures) {
    for count in [m.events, m.calls, m.errors, m.unpriced_events] {
        w.uint64(count);
    }
    for sum in [m.uncached_input_tokens, m.cache_read_tokens, m.cache_write_tokens, m.output_tokens, m.reasoning_tokens] {
        w.int128(sum);
    }
    for money in [m.cost, m.credit, m.revenue] {
        w.money(money);
    }
    w.uint64(m.latency_count);
    w.int128(m.latency_ms_sum);
    w.uint64(m.latency_ms_max);
}

/// Appends a row of `usage_event_rows`.
///
/// # Errors
/// [`OutOfRange`] for an event time that its column cannot hold.
pub fn put_usage_event(block: &mut Block, row: &UsageEventRow<'_>) -> Result<(), OutOfRange> {
    debug_assert_eq!(block.table, Table::UsageEvents);
    let event = row.event;
    let occurred_at = Micros::of("occurred_at", event.occurred_at)?;
    let mut w = block.row();
    w.text(row.topic);
    w.int32(row.partition);
    w.int64(row.offset);
    w.text(event.event_id);
    w.text(event.source);
    w.micros(occurred_at);
    w.int8(match event.kind {
        Kind::Llm => 0,
        Kind::Cost => 1,
        Kind::Adjustment => 2,
    });
    w.text(event.adjusts);
    for dimension in Dimension::ALL {
        w.text(event.dimension(dimension));
    }
    let t = &event.tokens;
    for count in [t.uncached_input, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.output, t.reasoning] {
        w.int64(count);
    }
    put_amount(&mut w, event.amount.as_ref());
    w.money(row.cost);
    w.int8(row.cost_status as i8);
    w.text(row.price_version);
    w.money(row.revenue);
    put_amount(&mut w, event.revenue.as_ref());
    w.nullable_uint64(event.latency_ms);
    w.text(event.status);
    w.text(event.error_type);
    w.pairs(event.tags);
    w.pairs(event.attributes);
    Ok(())
}

fn put_amount(w: &mut RowWriter<'_>, amount: Option<&Amount>) {
    w.nullable_money(amount.map(|a| a.value));
    w.text(amount.map_or("", |a| a.currency.as_str()));
}

/// Appends a row of `budget_rows`.
///
/// # Errors
/// [`OutOfRange`] for a period that its columns cannot hold.
pub fn put_budget(block: &mut Block, row: &BudgetRow<'_>) -> Result<(), OutOfRange> {
    debug_assert_eq!(block.table, Table::Budgets);
    let period_start = Seconds::of("period_start", row.period_start)?;
    let period_end = Seconds::of("period_end", row.period_end)?;
    let mut w = block.row();
    w.text(row.budget);
    w.text(row.scope);
    w.text(row.period);
    w.seconds(period_start);
    w.seconds(period_end);
    w.text(row.currency.as_str());
    w.money(row.spent);
    w.money(row.limit);
    w.nullable_money(row.projection);
    w.text(row.level);
    w.int64(row.revision);
    Ok(())
}

/// Appends a row of `alert_rows`.
///
/// # Errors
/// [`OutOfRange`] for an event time that its column cannot hold.
pub fn put_alert(block: &mut Block, row: &AlertRow<'_>) -> Result<(), OutOfRange> {
    debug_assert_eq!(block.table, Table::Alerts);
    let occurred_at = Micros::of("occurred_at", row.occurred_at)?;
    let mut w = block.row();
    for text in [row.id, row.rule, row.scope, row.period, row.level, row.state] {
        w.text(text);
    }
    for money in [row.threshold, row.current, row.previous] {
        w.nullable_money(money);
    }
    w.text(row.currency.as_ref().map_or("", |currency| currency.as_str()));
    w.micros(occurred_at);
    w.text(row.data);
    w.text(row.silenced);
    Ok(())
}

/// Appends a row of `rhythm_rows`.
///
/// # Errors
/// [`OutOfRange`] for an hour that its column cannot hold.
pub fn put_rhythm(block: &mut Block, row: &RhythmRow<'_>) -> Result<(), OutOfRange> {
    debug_assert_eq!(block.table, Table::Rhythm);
    let hour = Seconds::of("hour", row.hour)?;
    let mut w = block.row();
    w.text(row.scope);
    w.seconds(hour);
    w.nullable_money(Some(row.actual));
    w.nullable_money(Some(row.expected));
    for measure in [row.coherence, row.phase, row.entropy] {
        w.nullable_float64(measure);
    }
    w.text(row.state);
    w.nullable_int8(row.state_code);
    w.int64(row.revision);
    Ok(())
}

/// Appends a row of `pace_rows`.
///
/// # Errors
/// [`OutOfRange`] for a time that its column cannot hold.
pub fn put_pace(block: &mut Block, row: &PaceRow<'_>) -> Result<(), OutOfRange> {
    debug_assert_eq!(block.table, Table::Pace);
    let times = [("period_start", row.period_start), ("period_end", row.period_end), ("hour", row.hour)];
    let [start, end, hour] = times.map(|(column, at)| Seconds::of(column, at));
    let (start, end, hour) = (start?, end?, hour?);
    let exceeded_at = row.exceeded_at.map(|at| Seconds::of("exceeded_at", at)).transpose()?;
    let mut w = block.row();
    for text in [row.budget, row.scope, row.period] {
        w.text(text);
    }
    for time in [start, end, hour] {
        w.seconds(time);
    }
    w.text(row.currency.as_str());
    for money in [row.spent, row.limit, row.forecast, row.low, row.high, row.straight_line] {
        w.money(money);
    }
    w.nullable_seconds(exceeded_at);
    w.text(row.action);
    for measure in [Some(row.confidence), row.gate_score, row.roi, row.slo, row.age_days] {
        w.nullable_float64(measure);
    }
    w.text(row.state);
    w.int64(row.revision);
    Ok(())
}

/// Appends a row of `anomaly_rows`.
///
/// # Errors
/// [`OutOfRange`] for a time that its column cannot hold.
pub fn put_anomaly(block: &mut Block, row: &AnomalyRow<'_>) -> Result<(), OutOfRange> {
    debug_assert_eq!(block.table, Table::Anomalies);
    let (since, hour) = (Seconds::of("since", row.since)?, Seconds::of("hour", row.hour)?);
    let mut w = block.row();
    w.text(row.rule);
    w.text(row.scope);
    w.seconds(since);
    w.seconds(hour);
    w.text(row.level);
    w.money(row.actual);
    w.money(row.expected);
    w.boolean(row.is_over);
    w.int64(row.revision);
    Ok(())
}

/// Appends a row of `shard_accounts`.
pub fn put_accounts(block: &mut Block, row: &AccountsRow<'_>) {
    debug_assert_eq!(block.table, Table::Accounts);
    let mut w = block.row();
    w.text(row.topic);
    w.int32(row.partition);
    w.int32(row.shard);
    w.int32(row.shards);
    let a = &row.accounts;
    w.int64(a.first_offset);
    w.int64(a.next_offset);
    for count in [a.counted, a.duplicate, a.conflict, a.late, a.rejected, a.skipped] {
        w.uint64(count);
    }
    w.int64(row.revision);
}

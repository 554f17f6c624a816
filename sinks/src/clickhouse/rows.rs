//! Every row as `RowBinary`, appended to a buffer: nothing is allocated per row beyond the buffer's growth.
//!
//! The order of the values is the order of [`columns`], which the insert names; golden files hold the bytes. On an error
//! the buffer is as it was before the row.

use runtime::io::Table;
use schemas::rollup::{AccountsRow, AlertRow, BudgetRow, RollupRow, UsageEventRow};
use schemas::{Amount, Dimension, Kind, Measures};

pub use super::row_binary::OutOfRange;
use super::row_binary::RowWriter;

/// Where rows of a table are inserted.
pub const fn table_name(table: Table) -> &'static str {
    match table {
        Table::Rollups => "rollups",
        Table::UsageEvents => "usage_event_rows",
        Table::Alerts => "alert_rows",
        Table::Budgets => "budget_rows",
        Table::Accounts => "shard_accounts",
    }
}

/// The columns of an insert, in the order in which the encoders write them.
pub const fn columns(table: Table) -> &'static str {
    match table {
        Table::Rollups => {
            "granularity, `set`, window_start, `values`, generation, revision, is_final, events, calls, errors, unpriced_events, \
             uncached_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost, credit, revenue, \
             latency_count, latency_ms_sum, latency_ms_max, first_event_at, last_event_at"
        }
        Table::UsageEvents => {
            "topic, `partition`, `offset`, event_id, source, occurred_at, kind, adjusts, provider, model, service, feature, route, \
             task_type, team, project, environment, cost_center, user_id, operation, owner, tier, uncached_input_tokens, \
             cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, amount, currency, cost, \
             cost_status, price_version, revenue, revenue_amount, revenue_currency, latency_ms, status, error_type, tags, attributes"
        }
        Table::Alerts => "id, rule, scope, period, level, state, threshold, current, previous, currency, occurred_at, data",
        Table::Budgets => "budget, scope, period, period_start, period_end, currency, spent, `limit`, `projection`, level, revision",
        Table::Accounts => {
            "topic, `partition`, shard, shards, first_offset, next_offset, counted, duplicate, conflict, late, rejected, skipped, revision"
        }
    }
}

/// Appends a row of `rollups`.
///
/// # Errors
/// [`OutOfRange`] for a window or event time that its column cannot hold.
pub fn put_rollup<V: AsRef<str>>(out: &mut Vec<u8>, row: &RollupRow<'_, V>) -> Result<(), OutOfRange> {
    whole(out, |w| {
        w.int8(row.granularity as i8 + 1);
        w.text(row.set);
        w.seconds("window_start", row.window_start)?;
        w.length(row.values.len());
        for value in row.values {
            w.text(value.as_ref());
        }
        w.int64(row.generation);
        w.int64(row.revision);
        w.boolean(row.is_final);
        put_measures(w, &row.measures)
    })
}

fn put_measures(w: &mut RowWriter<'_>, m: &Measures) -> Result<(), OutOfRange> {
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
    w.micros("first_event_at", m.first_event_at)?;
    w.micros("last_event_at", m.last_event_at)
}

/// Appends a row of `usage_event_rows`.
///
/// # Errors
/// [`OutOfRange`] for an event time that its column cannot hold.
pub fn put_usage_event(out: &mut Vec<u8>, row: &UsageEventRow<'_>) -> Result<(), OutOfRange> {
    let event = row.event;
    whole(out, |w| {
        w.text(row.topic);
        w.int32(row.partition);
        w.int64(row.offset);
        w.text(event.event_id);
        w.text(event.source);
        w.micros("occurred_at", event.occurred_at)?;
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
        put_amount(w, event.amount.as_ref());
        w.money(row.cost);
        w.int8(row.cost_status as i8);
        w.text(row.price_version);
        w.money(row.revenue);
        put_amount(w, event.revenue.as_ref());
        w.nullable(event.latency_ms, RowWriter::uint64);
        w.text(event.status);
        w.text(event.error_type);
        w.pairs(event.tags);
        w.pairs(event.attributes);
        Ok(())
    })
}

fn put_amount(w: &mut RowWriter<'_>, amount: Option<&Amount>) {
    w.nullable(amount.map(|a| a.value), RowWriter::money);
    w.text(amount.map_or("", |a| a.currency.as_str()));
}

/// Appends a row of `budget_rows`.
///
/// # Errors
/// [`OutOfRange`] for a period that its columns cannot hold.
pub fn put_budget(out: &mut Vec<u8>, row: &BudgetRow<'_>) -> Result<(), OutOfRange> {
    whole(out, |w| {
        w.text(row.budget);
        w.text(row.scope);
        w.text(row.period);
        w.seconds("period_start", row.period_start)?;
        w.seconds("period_end", row.period_end)?;
        w.text(row.currency.as_str());
        w.money(row.spent);
        w.money(row.limit);
        w.nullable(row.projection, RowWriter::money);
        w.text(row.level);
        w.int64(row.revision);
        Ok(())
    })
}

/// Appends a row of `alert_rows`.
///
/// # Errors
/// [`OutOfRange`] for an event time that its column cannot hold.
pub fn put_alert(out: &mut Vec<u8>, row: &AlertRow<'_>) -> Result<(), OutOfRange> {
    whole(out, |w| {
        for text in [row.id, row.rule, row.scope, row.period, row.level, row.state] {
            w.text(text);
        }
        for money in [row.threshold, row.current, row.previous] {
            w.nullable(money, RowWriter::money);
        }
        w.text(row.currency.as_ref().map_or("", |currency| currency.as_str()));
        w.micros("occurred_at", row.occurred_at)?;
        w.text(row.data);
        Ok(())
    })
}

/// Appends a row of `shard_accounts`.
pub fn put_accounts(out: &mut Vec<u8>, row: &AccountsRow<'_>) {
    let mut w = RowWriter(out);
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

/// All of a row or nothing of it.
fn whole(out: &mut Vec<u8>, put: impl FnOnce(&mut RowWriter<'_>) -> Result<(), OutOfRange>) -> Result<(), OutOfRange> {
    let before = out.len();
    let result = put(&mut RowWriter(out));
    if result.is_err() {
        out.truncate(before);
    }
    result
}

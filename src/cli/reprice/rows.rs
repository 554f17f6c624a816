//! The events whose price is looked at anew, page by page.

use std::collections::{BTreeMap, HashMap};

use report::{Amount, ReadError, Reader, literal};
use schemas::Timestamp;
use schemas::timestamp::HOUR_US;
use serde::Deserialize;

/// Rows of one page.
const PAGE: usize = 20_000;

/// How corrections' ids begin.
pub(super) const PREFIX: &str = "reprice-";

/// A row of `usage_events`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct EventRow {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub event_id: String,
    pub source: String,
    /// Microseconds since 1970.
    pub occurred_us: i64,
    /// By the names of events: `provider`, `team`, ...
    pub dimensions: [String; 14],
    /// Uncached input, cache read, written for 5 minutes, for an hour, output, reasoning.
    pub tokens: [i64; 6],
    pub amount: Option<Amount>,
    pub currency: String,
    pub cost: Amount,
    pub cost_status: String,
    pub price_version: String,
    pub tags: BTreeMap<String, String>,
}

/// The dimensions of [`EventRow`], in order.
pub(super) const DIMENSIONS: [&str; 14] = [
    "provider",
    "model",
    "tier",
    "service",
    "feature",
    "route",
    "task_type",
    "team",
    "project",
    "environment",
    "cost_center",
    "user_id",
    "operation",
    "owner",
];

impl EventRow {
    /// A dimension by its place in [`DIMENSIONS`].
    pub(super) fn dimension(&self, name: &str) -> &str {
        DIMENSIONS.iter().position(|dimension| *dimension == name).map_or("", |place| &self.dimensions[place])
    }
}

/// What was corrected of an event before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Corrected {
    /// Corrections of ours.
    pub times: u64,
    /// What they come to.
    pub cost: Amount,
    /// Corrections of others.
    pub others: u64,
}

#[derive(Deserialize)]
struct CorrectedRow {
    source: String,
    adjusts: String,
    times: u64,
    cost: Amount,
    others: u64,
}

fn instant(at: Timestamp) -> String {
    format!("fromUnixTimestamp64Micro(toInt64({}), 'UTC')", at.micros())
}

/// Corrections of events by source and id. A correction may have any time from its event's on, and later ones too.
///
/// # Errors
/// [`ReadError`]
pub(super) fn corrected(reader: &Reader<'_>, from: Timestamp) -> Result<HashMap<(String, String), Corrected>, ReadError> {
    let ours = format!("startsWith(v.event_id, {})", literal(PREFIX));
    let rows: Vec<CorrectedRow> = reader.rows(
        "corrections",
        &format!(
            "SELECT toString(v.source) AS source, v.adjusts AS adjusts, toUInt64(countIf({ours})) AS times, toString(sumIf(v.cost, {ours})) AS cost,
                toUInt64(countIf(NOT {ours})) AS others
            FROM usage_events AS v WHERE v.kind = 'adjustment' AND toStartOfHour(v.occurred_at) >= toStartOfHour({})
            GROUP BY source, adjusts",
            instant(from)
        ),
    )?;
    let entry = |row: CorrectedRow| ((row.source, row.adjusts), Corrected { times: row.times, cost: row.cost, others: row.others });
    Ok(rows.into_iter().map(entry).collect())
}

#[derive(Deserialize)]
struct NewestRow {
    newest_us: i64,
}

/// The newest event that was counted, of all partitions.
///
/// # Errors
/// [`ReadError`]
pub(super) fn newest(reader: &Reader<'_>) -> Result<Timestamp, ReadError> {
    let sql = "SELECT toInt64(toUnixTimestamp64Micro(max(last_event_at))) AS newest_us FROM daily_total";
    Ok(Timestamp::from_micros(reader.row::<NewestRow>("the newest event", sql)?.newest_us))
}

/// Gives every call of the time to `take`, hour by hour, in the order of the log within each.
///
/// # Errors
/// [`ReadError`], or what `take` says.
pub(super) fn calls(
    reader: &Reader<'_>,
    (from, to): (Timestamp, Timestamp),
    take: &mut dyn FnMut(&EventRow) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut hour_us = from.micros().div_euclid(HOUR_US) * HOUR_US;
    while hour_us < to.micros() {
        let start = Timestamp::from_micros(hour_us.max(from.micros()));
        let end = Timestamp::from_micros((hour_us + HOUR_US).min(to.micros()));
        let mut after = String::new();
        loop {
            let rows: Vec<EventRow> = reader.rows("events", &page_sql(start, end, &after))?;
            for row in &rows {
                take(row)?;
            }
            let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { break };
            after = format!("AND (v.topic, v.`partition`, v.`offset`) > ({}, {}, {})", literal(&last.topic), last.partition, last.offset);
        }
        hour_us += HOUR_US;
    }
    Ok(())
}

fn page_sql(start: Timestamp, end: Timestamp, after: &str) -> String {
    let dimensions: Vec<String> = DIMENSIONS.iter().map(|name| format!("toString(v.{name})")).collect();
    format!(
        "SELECT toString(v.topic) AS topic, v.`partition` AS `partition`, v.`offset` AS `offset`, v.event_id AS event_id, toString(v.source) AS source,
            toInt64(toUnixTimestamp64Micro(v.occurred_at)) AS occurred_us, [{}] AS dimensions,
            [v.uncached_input_tokens, v.cache_read_tokens, v.cache_write_5m_tokens, v.cache_write_1h_tokens, v.output_tokens, v.reasoning_tokens] AS tokens,
            toString(v.amount) AS amount, toString(v.currency) AS currency, toString(v.cost) AS cost, toString(v.cost_status) AS cost_status,
            toString(v.price_version) AS price_version, v.tags AS tags
        FROM usage_events AS v
        WHERE toStartOfHour(v.occurred_at) = toStartOfHour({start}) AND v.occurred_at >= {start} AND v.occurred_at < {end} AND v.kind = 'llm' {after}
        ORDER BY v.topic, v.`partition`, v.`offset` LIMIT {PAGE}",
        dimensions.join(", "),
        start = instant(start),
        end = instant(end),
    )
}

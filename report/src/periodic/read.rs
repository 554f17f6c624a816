//! The questions of a report.

use std::collections::BTreeMap;

use schemas::Currency;
use serde::Deserialize;

use super::advice::{self, BudgetUse, CacheUse, PrefixUse, ProviderDays};
use super::allocation::allocate;
use super::models::{self, TaskModel};
use super::{Allocation, Breakdown, Kpis, Line, Period, Report, ReportQuestion, Slot};
use crate::currency::{check_rate, rates};
use crate::{Amount, ReadError, Reader, literal};

/// Breakdowns: what they are called, and the dimensions whose view has them.
const BREAKDOWNS: [(&str, &[&str]); 6] = [
    ("provider", &["provider"]),
    ("model", &["provider", "model"]),
    ("task", &["task_type"]),
    ("service", &["service"]),
    ("feature", &["feature"]),
    ("user", &["user_id"]),
];
/// Values of a breakdown that are listed.
const LISTED: u32 = 20;
/// Teams, environments and values of a tag that are allocated to.
const ALLOCATED: u32 = 1000;

/// Reads everything and advises.
///
/// # Errors
/// [`ReadError`]: ClickHouse cannot be asked, or has no rate for the currency.
pub fn read(reader: &Reader<'_>, question: &ReportQuestion) -> Result<Report, ReadError> {
    let currency = question.currency;
    if currency != Currency::USD {
        check_rate(reader, currency, question.period.previous_start_s)?;
    }
    let (asked, in_dollars) = (Asked { reader, question, currency }, Asked { reader, question, currency: Currency::USD });
    let clock: Clock = reader.row("the time", "SELECT formatDateTime(now(), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS at")?;
    let total = asked.total()?;
    let mut notes = Vec::new();
    let mut breakdowns = Vec::new();
    for (by, key) in BREAKDOWNS {
        match asked.days_by(key) {
            Some(days) => breakdowns.push(asked.breakdown(by, key, &days, &total)?),
            None => notes.push(format!("Nothing by {by}: no grouping set counts by {}.", key.join(" and "))),
        }
    }
    let allocations = asked.allocations(&mut notes)?;
    let kpis = asked.kpis(&total)?;
    let findings = in_dollars.findings(&mut notes)?;
    let advice = if currency == Currency::USD {
        advice::advise(&findings, &total, &breakdowns)
    } else {
        notes.push(
            "Recommendations are in US dollars, as their limits and the price book are; those about budgets in the budget's currency."
                .to_owned(),
        );
        advice::advise(&findings, &in_dollars.total()?, &in_dollars.tasks()?)
    };
    if total.unpriced_events > 0 {
        notes.push(format!("{} events have no known price: what they cost is in no amount.", total.unpriced_events));
    }
    Ok(Report {
        format: "cost-rhythm-report/1",
        version: question.version.clone(),
        generated_at: clock.at,
        database: question.database.clone(),
        currency: currency.to_string(),
        period: question.period.clone(),
        days: if question.period.days > 1 { asked.days()? } else { Vec::new() },
        hours: asked.hours()?,
        total,
        breakdowns,
        kpis,
        allocations,
        advice,
        notes,
    })
}

#[derive(Deserialize)]
struct Clock {
    at: String,
}

#[derive(Deserialize)]
struct Users {
    users: u64,
    cost: Amount,
}

struct Asked<'a> {
    reader: &'a Reader<'a>,
    question: &'a ReportQuestion,
    currency: Currency,
}

fn instant(seconds: i64) -> String {
    format!("toDateTime({seconds}, 'UTC')")
}

impl Asked<'_> {
    fn period(&self) -> &Period {
        &self.question.period
    }

    fn days_by(&self, key: &[&str]) -> Option<String> {
        self.question.days_by(key, self.currency)
    }

    /// The breakdown by task alone, which advice needs.
    fn tasks(&self) -> Result<Vec<Breakdown>, ReadError> {
        let Some(days) = self.days_by(&["task_type"]) else { return Ok(Vec::new()) };
        Ok(vec![self.breakdown("task", &["task_type"], &days, &Line::default())?])
    }

    /// The windows of the period.
    fn within(&self) -> String {
        format!("v.window_start >= {} AND v.window_start < {}", instant(self.period().start_s), instant(self.period().end_s))
    }

    /// The events of the period, so that the index is used.
    fn events_within(&self) -> String {
        let (start, end) = (instant(self.period().start_s), instant(self.period().end_s));
        format!("toStartOfHour(v.occurred_at) >= toStartOfHour({start}) AND v.occurred_at >= {start} AND v.occurred_at < {end}")
    }

    fn lines_sql(&self, name: &str, view: &str, limit: u32) -> String {
        let (before, start, end) = (instant(self.period().previous_start_s), instant(self.period().start_s), instant(self.period().end_s));
        format!(
            "SELECT {name} AS name,
                toUInt64(sumIf(v.events, v.window_start >= {start})) AS events, toUInt64(sumIf(v.calls, v.window_start >= {start})) AS calls,
                toUInt64(sumIf(v.errors, v.window_start >= {start})) AS errors,
                toUInt64(sumIf(v.unpriced_events, v.window_start >= {start})) AS unpriced_events,
                toString(sumIf(v.cost, v.window_start >= {start})) AS cost, toString(sumIf(v.cost, v.window_start < {start})) AS previous_cost,
                toUInt64(sumIf(v.calls, v.window_start < {start})) AS previous_calls
            FROM {view} AS v WHERE v.window_start >= {before} AND v.window_start < {end}
            GROUP BY name ORDER BY sumIf(v.cost, v.window_start >= {start}) DESC, sumIf(v.cost, v.window_start < {start}) DESC, name
            LIMIT {limit}"
        )
    }

    fn lines(&self, what: &'static str, sql: &str) -> Result<Vec<Line>, ReadError> {
        Ok(self.reader.rows::<Line>(what, sql)?.into_iter().map(Line::complete).collect())
    }

    fn total(&self) -> Result<Line, ReadError> {
        let Some(view) = self.days_by(&[]) else { return Err(ReadError::no_total()) };
        let line = self.lines("the total", &self.lines_sql("'total'", &view, 1))?.pop();
        Ok(line.unwrap_or_else(|| Line { name: "total".to_owned(), ..Line::default() }.complete()))
    }

    fn breakdown(&self, by: &'static str, key: &[&str], view: &str, total: &Line) -> Result<Breakdown, ReadError> {
        let lines = self.lines(by, &self.lines_sql(&name_of(key), view, LISTED))?;
        let counted: Count = self
            .reader
            .row(by, &format!("SELECT toUInt64(uniqExact({})) AS count FROM {view} AS v WHERE {}", key.join(", "), self.within()))?;
        let lines: Vec<Line> = lines.into_iter().filter(|line| line.events > 0 || line.previous_cost != Amount::default()).collect();
        let listed = lines.iter().fold(Amount::default(), |sum, line| sum.plus(line.cost));
        let present = lines.iter().filter(|line| line.events > 0).count() as u64;
        Ok(Breakdown { by, lines, others: counted.count.saturating_sub(present), others_cost: total.cost.less(listed) })
    }

    fn days(&self) -> Result<Vec<Slot>, ReadError> {
        let Some(view) = self.days_by(&[]) else { return Ok(Vec::new()) };
        let zone = literal(&self.period().time_zone);
        self.reader.rows(
            "days",
            &format!(
                "SELECT formatDateTime(v.window_start, '%Y-%m-%d', {zone}) AS name, toUInt64(sum(v.calls)) AS calls, toString(sum(v.cost)) AS cost
                FROM {view} AS v WHERE {} GROUP BY name ORDER BY name",
                self.within()
            ),
        )
    }

    /// By quarter hours: some zones are not whole hours away.
    fn hours(&self) -> Result<Vec<Slot>, ReadError> {
        let Some(view) = self.question.quarter_hours(self.currency) else { return Ok(Vec::new()) };
        let zone = literal(&self.period().time_zone);
        let found: Vec<Slot> = self.reader.rows(
            "hours",
            &format!(
                "SELECT leftPad(toString(toHour(toTimeZone(v.window_start, {zone}))), 2, '0') AS name, toUInt64(sum(v.calls)) AS calls,
                    toString(sum(v.cost)) AS cost
                FROM {view} AS v WHERE {} GROUP BY name",
                self.within()
            ),
        )?;
        let mut found: BTreeMap<String, Slot> = found.into_iter().map(|slot| (slot.name.clone(), slot)).collect();
        let names = (0..24).map(|hour| format!("{hour:02}"));
        Ok(names.map(|name| found.remove(&name).unwrap_or(Slot { name, calls: 0, cost: Amount::default() })).collect())
    }

    fn kpis(&self, total: &Line) -> Result<Kpis, ReadError> {
        let sums: Revenue = match self.days_by(&[]) {
            Some(view) => self
                .reader
                .row("revenue", &format!("SELECT toString(sum(v.revenue)) AS revenue FROM {view} AS v WHERE {}", self.within()))?,
            None => Revenue::default(),
        };
        let mut kpis = Kpis {
            cost_per_call: total.cost_per_call,
            failure_rate: total.failure_rate,
            revenue: sums.revenue,
            margin: sums.revenue.less(total.cost),
            ..Kpis::default()
        };
        if let Some(view) = self.days_by(&["feature"]) {
            let sql = format!(
                "SELECT toUInt64(sum(v.calls)) AS users, toString(sum(v.cost)) AS cost FROM {view} AS v WHERE {} AND v.feature != ''",
                self.within()
            );
            let features: Users = self.reader.row("features", &sql)?;
            kpis.cost_per_feature_call = features.cost.per(features.users);
        }
        if let Some(view) = self.days_by(&["user_id"]) {
            let sql = format!(
                "SELECT toUInt64(uniqExact(v.user_id)) AS users, toString(sum(v.cost)) AS cost FROM {view} AS v WHERE {} AND v.user_id != ''",
                self.within()
            );
            let users: Users = self.reader.row("users", &sql)?;
            kpis.users = Some(users.users);
            kpis.cost_per_user = users.cost.per(users.users);
        }
        Ok(kpis)
    }

    fn allocations(&self, notes: &mut Vec<String>) -> Result<Vec<Allocation>, ReadError> {
        let share = |dimension: &str| self.question.shares.iter().find(|share| share.dimension == dimension);
        let mut allocations = Vec::new();
        for dimension in ["team", "environment"] {
            match self.days_by(&[dimension]) {
                Some(view) => {
                    let lines = self.lines(dimension, &self.lines_sql(&name_of(&[dimension]), &view, ALLOCATED))?;
                    let lines: Vec<Line> = lines.into_iter().filter(|line| line.events > 0).collect();
                    allocations.push(allocate(dimension.to_owned(), &lines, share(dimension)));
                }
                None => notes.push(format!("No allocation by {dimension}: no grouping set counts by it.")),
            }
        }
        for tag in &self.question.tags {
            if !self.question.usage_events {
                notes.push(format!("No allocation by tag {tag}: it needs rows per event (clickhouse.usage_events)."));
                continue;
            }
            let sql = self.by_tag(tag);
            allocations.push(allocate(format!("tag {tag}"), &self.lines("tags", &sql)?, share(tag)));
        }
        Ok(allocations)
    }

    /// Spend by the values of a tag; in another currency than dollars by the rates in force when the business days began, as elsewhere.
    fn by_tag(&self, tag: &str) -> String {
        let (within, zone, currency) = (self.events_within(), literal(&self.period().time_zone), self.currency);
        let (cost, rates) = if currency == Currency::USD {
            ("d.cost".to_owned(), String::new())
        } else {
            let rates = rates(currency);
            (
                "toDecimal128(roundBankers(toDecimal256(d.cost, 18) * toDecimal256(x.per_usd, 18), 18), 18)".to_owned(),
                format!("ASOF JOIN {rates} AS x ON d.currency = x.currency AND d.day >= x.valid_from"),
            )
        };
        format!(
            "SELECT d.name AS name, toUInt64(sum(d.events)) AS events, toUInt64(sum(d.calls)) AS calls, toUInt64(0) AS errors, toUInt64(0) AS unpriced_events,
                toString(sum({cost})) AS cost, '0' AS previous_cost, toUInt64(0) AS previous_calls
            FROM (SELECT v.tags[{}] AS name, toDateTime(toStartOfDay(toTimeZone(v.occurred_at, {zone})), 'UTC') AS day, '{currency}' AS currency, count() AS events,
                    countIf(v.kind = 'llm') AS calls, sum(v.cost) AS cost
                FROM usage_events AS v WHERE {within} GROUP BY name, day) AS d {rates}
            GROUP BY name ORDER BY sum({cost}) DESC, name LIMIT {ALLOCATED}",
            literal(tag)
        )
    }

    /// What advice is made of.
    fn findings(&self, notes: &mut Vec<String>) -> Result<advice::Findings, ReadError> {
        let mut findings = advice::Findings { budgets: self.budgets()?, ..advice::Findings::default() };
        if let Some(view) = self.days_by(&["provider"]) {
            let limit = advice::PROVIDER_A_DAY;
            findings.providers = self.reader.rows::<ProviderDays>(
                "providers by day",
                &format!(
                    "SELECT provider, toUInt64(countIf(cost > {limit})) AS days_above, toString(sumIf(cost - toDecimal128({limit}, 18), cost > {limit})) AS above,
                        toString(max(cost)) AS dearest
                    FROM (SELECT v.provider AS provider, v.window_start AS day, sum(v.cost) AS cost FROM {view} AS v
                        WHERE {} AND v.provider != '' GROUP BY provider, day)
                    GROUP BY provider HAVING days_above > 0 ORDER BY sumIf(cost, cost > {limit}) DESC, provider LIMIT 20",
                    self.within()
                ),
            )?;
        }
        if let Some(view) = self.days_by(&["provider", "model"]) {
            let used: Vec<CacheUse> = self.reader.rows(
                "caches",
                &format!(
                    "SELECT v.provider AS provider, v.model AS model, toInt64(sum(v.uncached_input_tokens)) AS uncached, toInt64(sum(v.cache_read_tokens)) AS cached
                    FROM {view} AS v WHERE {} AND v.model != '' GROUP BY provider, model ORDER BY uncached DESC, provider, model LIMIT 200",
                    self.within()
                ),
            )?;
            findings.caches = models::cacheable(&used, &self.question.book, self.period().end_s);
        }
        if self.question.usage_events {
            findings.cheaper = models::cheaper(&self.task_models()?, &self.question.book, self.period().end_s);
        } else {
            notes.push("No comparison of models on the same task: it needs rows per event (clickhouse.usage_events).".to_owned());
        }
        let prefixes = if self.question.usage_events { self.prefixes()? } else { Vec::new() };
        findings.repeats = models::repeated(&prefixes, &self.question.book, self.period().end_s);
        if prefixes.is_empty() {
            notes.push(
                "Which calls repeat the beginning of a prompt is not known: no event names it (attributes prefix_hash, prefix_tokens). What caches could save is a bound."
                    .to_owned(),
            );
        }
        Ok(findings)
    }

    /// Calls that name the beginning of their prompt, by that. A call repeats it if the last one that named it was so short before that a cache still held it.
    fn prefixes(&self) -> Result<Vec<PrefixUse>, ReadError> {
        let minutes = advice::CACHE_MINUTES;
        self.reader.rows(
            "prefixes",
            &format!(
                "SELECT p.provider AS provider, p.model AS model, p.prefix AS prefix, toUInt64(count()) AS calls, toUInt64(countIf(p.is_repeat)) AS repeats,
                    toInt64(sumIf(p.tokens, p.is_repeat)) AS repeated_tokens, toInt64(sumIf(p.tokens, NOT p.is_repeat)) AS written_tokens
                FROM (
                    SELECT v.provider AS provider, v.model AS model, v.attributes['prefix_hash'] AS prefix,
                        greatest(toInt64(0), least(toInt64OrZero(v.attributes['prefix_tokens']), v.uncached_input_tokens)) AS tokens,
                        v.occurred_at <= lagInFrame(v.occurred_at, 1, toDateTime64(0, 6, 'UTC')) OVER (
                            PARTITION BY v.provider, v.model, prefix ORDER BY v.occurred_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
                        ) + INTERVAL {minutes} MINUTE AS is_repeat
                    FROM usage_events AS v
                    WHERE {} AND v.kind = 'llm' AND v.cost_status = 'priced' AND v.tier IN ('', 'standard') AND prefix != ''
                ) AS p GROUP BY provider, model, prefix ORDER BY repeated_tokens DESC, provider, model, prefix LIMIT 200",
                self.events_within()
            ),
        )
    }

    fn task_models(&self) -> Result<Vec<TaskModel>, ReadError> {
        self.reader.rows(
            "tasks and models",
            &format!(
                "SELECT v.task_type AS task, v.provider AS provider, v.model AS model, toUInt64(count()) AS calls,
                    toUInt64(countIf(v.status NOT IN ('', 'ok'))) AS errors,
                    [toInt64(sum(v.uncached_input_tokens)), toInt64(sum(v.cache_read_tokens)), toInt64(sum(v.cache_write_5m_tokens)),
                        toInt64(sum(v.cache_write_1h_tokens)), toInt64(sum(v.output_tokens)), toInt64(sum(v.reasoning_tokens))] AS tokens,
                    toString(sum(v.cost)) AS cost
                FROM usage_events AS v
                WHERE {} AND v.kind = 'llm' AND v.cost_status = 'priced' AND v.tier IN ('', 'standard') AND v.task_type != ''
                GROUP BY task, provider, model ORDER BY task, provider, model LIMIT 5000",
                self.events_within()
            ),
        )
    }

    fn budgets(&self) -> Result<Vec<BudgetUse>, ReadError> {
        let rolling: Vec<String> = self.question.rolling_budgets.iter().map(|budget| literal(budget)).chain(["''".to_owned()]).collect();
        let rolling = rolling.join(", ");
        self.reader.rows(
            "budgets",
            &format!(
                "SELECT v.budget AS budget, v.currency AS currency, toUInt64(count()) AS periods, toString(sum(v.spent)) AS spent, toString(sum(v.`limit`)) AS limit
                FROM budgets AS v WHERE v.scope = '' AND v.budget NOT IN ({rolling}) AND v.period_start >= {} AND v.period_end <= {} AND dateDiff('hour', v.period_start, v.period_end) > 1
                GROUP BY budget, currency ORDER BY budget, currency",
                instant(self.period().start_s),
                instant(self.period().end_s)
            ),
        )
    }
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Default, Deserialize)]
struct Revenue {
    revenue: Amount,
}

/// The values of a key as one text; nothing given is nothing.
fn name_of(key: &[&str]) -> String {
    match key {
        [one] => format!("v.{one}"),
        [one, other] => format!("if(v.{one} = '' AND v.{other} = '', '', concat(v.{one}, ' / ', v.{other}))"),
        _ => "''".to_owned(),
    }
}

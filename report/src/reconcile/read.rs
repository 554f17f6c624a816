//! The questions of a reconciliation, and its verdict.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use schemas::{Currency, Money};
use serde::Deserialize;

use super::compare::{Counted, Side, Tolerance, compare};
use super::ledger::{By, Ledger};
use super::{ApartLine, Reconciliation, UnbilledLine, Verdict};
use crate::currency::windows;
use crate::{Amount, ReadError, Reader, SetView, literal};

const DAY_S: i64 = 86_400;

/// A reconciliation that is wanted.
pub struct ReconciliationQuestion {
    /// How far both sides may be apart.
    pub tolerance: Tolerance,
    /// The configured grouping sets that have one view each: one by provider (service).
    pub sets: Vec<SetView>,
    /// The business time zone: days of UTC are in the daily views if it is UTC, else they are summed from quarter hours.
    pub time_zone: String,
    /// Of the program.
    pub version: String,
    /// That is asked.
    pub database: String,
}

#[derive(Deserialize)]
struct Clock {
    at: String,
}

#[derive(Deserialize)]
struct CountedDay {
    day: Date,
    name: String,
    cost: Amount,
    unpriced_events: u64,
}

#[derive(Deserialize)]
struct RateRow {
    currency: Currency,
    per_usd: Amount,
    from_s: i64,
}

/// Reads what was counted on the bills' days, and compares.
///
/// # Errors
/// [`ReadError`]: ClickHouse cannot be asked, or has no rate for a currency of the bills.
pub fn read(reader: &Reader<'_>, ledger: &Ledger, question: &ReconciliationQuestion) -> Result<Reconciliation, ReadError> {
    let clock: Clock = reader.row("the time", "SELECT formatDateTime(now(), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS at")?;
    let rates = Rates::read(reader, ledger)?;
    let mut billed: Side<Amount> = Side::new();
    for ((name, day, currency), sum) in &ledger.sums {
        let dollars = rates.dollars(ledger, *currency, *day, sum.rounded())?;
        let all = billed.entry((name.clone(), *day)).or_default();
        *all = all.plus(dollars);
    }
    let mut apart: BTreeMap<_, (u64, Amount)> = BTreeMap::new();
    for ((name, kind, day, currency), (charges, sum)) in &ledger.apart {
        let dollars = rates.dollars(ledger, *currency, *day, sum.rounded())?;
        let all = apart.entry((name.clone(), *kind)).or_default();
        *all = (all.0 + charges, all.1.plus(dollars));
    }
    let first_day = billed.keys().map(|(_, day)| *day).min();
    let last_day = billed.keys().map(|(_, day)| *day).max();
    let counted = match (first_day, last_day) {
        (Some(first), Some(last)) => counted(reader, ledger, question, first, last)?,
        _ => Side::new(),
    };
    let (lines, totals) = compare(&billed, &counted, question.tolerance);
    let billed_names: BTreeSet<&str> = totals.iter().map(|line| line.name.as_str()).collect();
    let mut all_counted: BTreeMap<&str, Counted> = BTreeMap::new();
    for ((name, _), ours) in &counted {
        let all = all_counted.entry(name).or_default();
        *all = all.plus(*ours);
    }
    let only_billed: Vec<String> =
        billed_names.iter().filter(|name| !all_counted.contains_key(*name)).map(|name| (*name).to_owned()).collect();
    let only_counted = all_counted.iter().filter(|(name, _)| !billed_names.contains(*name)).map(|(name, all)| UnbilledLine {
        name: (*name).to_owned(),
        counted: all.cost,
        unpriced_events: all.unpriced_events,
    });
    let only_counted = only_counted.collect();
    let verdict = match &totals {
        totals if totals.len() == only_billed.len() => Verdict::NothingOverlaps,
        totals if totals.iter().chain(&lines).all(|line| line.is_within) => Verdict::Within,
        _ => Verdict::Differs,
    };
    Ok(Reconciliation {
        format: "cost-rhythm-reconciliation/1",
        version: question.version.clone(),
        generated_at: clock.at,
        database: question.database.clone(),
        by: ledger.options.by,
        time_zone: "UTC",
        currency: Currency::USD.to_string(),
        tolerance_percent: question.tolerance.percent(),
        first_day,
        last_day,
        files: ledger.files.clone(),
        notes: notes(ledger, &counted),
        lines,
        totals,
        only_billed,
        only_counted,
        apart: apart.into_iter().map(|((name, kind), (charges, amount))| ApartLine { name, kind, charges, amount }).collect(),
        verdict,
    })
}

/// What was counted from the first day to the last, under the names of the comparison.
fn counted(
    reader: &Reader<'_>,
    ledger: &Ledger,
    question: &ReconciliationQuestion,
    first: Date,
    last: Date,
) -> Result<Side<Counted>, ReadError> {
    let dimension = ledger.options.by.name();
    let Some(set) = question.sets.iter().find(|set| set.key == [dimension]) else {
        let problem =
            format!("no grouping set counts by {dimension}: add [[grouping_set]] name = \"{dimension}\", key = [\"{dimension}\"]");
        return Err(ReadError::Refused { what: "what was counted", problem });
    };
    let is_utc = ["UTC", "Etc/UTC"].contains(&question.time_zone.as_str());
    let view = windows(set, if is_utc { "day" } else { "quarter_hour" }, Currency::USD);
    let sql = format!(
        "SELECT toString(toDate(v.window_start, 'UTC')) AS day, v.{dimension} AS name, toString(sum(v.cost)) AS cost, toUInt64(sum(v.unpriced_events)) AS unpriced_events
        FROM {view} AS v WHERE v.window_start >= toDateTime({}, 'UTC') AND v.window_start < toDateTime({}, 'UTC') GROUP BY day, name",
        seconds(first),
        seconds(last) + DAY_S
    );
    let mut counted = Side::new();
    for row in reader.rows::<CountedDay>("what was counted", &sql)? {
        let name = ledger.names().of(&row.name);
        if ledger.is_wanted(&name) {
            let all: &mut Counted = counted.entry((name, row.day)).or_default();
            *all = all.plus(Counted { cost: row.cost, unpriced_events: row.unpriced_events });
        }
    }
    Ok(counted)
}

fn notes(ledger: &Ledger, counted: &Side<Counted>) -> Vec<String> {
    let mut notes = Vec::new();
    let foreign: Vec<&str> = ledger.currencies.keys().filter(|code| **code != Currency::USD).map(Currency::as_str).collect();
    if !foreign.is_empty() {
        notes.push(format!(
            "{} converted to US dollars day by day, by the rate in force when the UTC day began: the provider's own rate may be another.",
            foreign.join(", ")
        ));
    }
    let unpriced: u64 = counted.values().map(|counted| counted.unpriced_events).sum();
    if unpriced > 0 {
        notes.push(format!("{unpriced} counted events have no known price: what they cost is in no amount."));
    }
    if counted.keys().any(|(name, _)| name == "__other__") {
        notes.push(format!("{}s beyond the grouping set's limit are counted as __other__.", ledger.options.by.name()));
    }
    if !ledger.unknown_kinds.is_empty() {
        let kinds: Vec<&str> = ledger.unknown_kinds.iter().map(String::as_str).collect();
        notes.push(format!("Kinds of charges that this version does not know were compared: {}.", kinds.join(", ")));
    }
    if ledger.options.by == By::Service && !ledger.options.only.is_empty() {
        notes.push("Events are counted by service over all providers: --provider chooses charges of the bill only.".to_owned());
    }
    notes
}

/// The dated rates of the bills' currencies, oldest first.
struct Rates(Vec<RateRow>);

impl Rates {
    fn read(reader: &Reader<'_>, ledger: &Ledger) -> Result<Self, ReadError> {
        let codes: Vec<String> =
            ledger.currencies.keys().filter(|code| **code != Currency::USD).map(|code| literal(code.as_str())).collect();
        if codes.is_empty() {
            return Ok(Rates(Vec::new()));
        }
        let sql = format!(
            "SELECT currency, toString(per_usd) AS per_usd, toInt64(toUnixTimestamp(toDateTime(valid_from, 'UTC'))) AS from_s
            FROM exchange_rates WHERE currency IN ({}) ORDER BY valid_from",
            codes.join(", ")
        );
        Ok(Rates(reader.rows("exchange rates", &sql)?))
    }

    /// By the rate in force when the day began, rounded once.
    fn dollars(&self, ledger: &Ledger, currency: Currency, day: Date, amount: Money) -> Result<Amount, ReadError> {
        if currency == Currency::USD {
            return Ok(Amount(amount));
        }
        let of_currency = || self.0.iter().filter(|rate| rate.currency == currency);
        let refuse = |problem: String| ReadError::NoRate { currency: currency.to_string(), problem };
        let Some(rate) = of_currency().rfind(|rate| rate.from_s <= seconds(day)) else {
            let place = ledger.currencies.get(&currency).map(ToString::to_string).unwrap_or_default();
            let first = of_currency().next().and_then(|rate| jiff::Timestamp::from_second(rate.from_s).ok());
            let known = first.map_or_else(|| "exchange_rates has none".to_owned(), |at| format!("the first one is in force from {at}"));
            return Err(refuse(format!("{known}, and the bill has charges of {day} in it (first {currency} in {place})")));
        };
        let dollars = amount.checked_div(rate.per_usd.0);
        dollars.map(Amount).ok_or_else(|| refuse(format!("the rate {} of {day} makes more of {amount} than money can be", rate.per_usd)))
    }
}

fn seconds(day: Date) -> i64 {
    day.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |at| at.timestamp().as_second())
}

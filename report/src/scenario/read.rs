//! The questions of an outlook.

use jiff::ToSpan;
use jiff::civil::Date;
use schemas::{Currency, Money};
use serde::Deserialize;

use super::growth::{Base, MOST_MONTHS};
use super::{Measured, Outlook, Projected, Scenario};
use crate::currency::{check_rate, windows};
use crate::periodic::Period;
use crate::{Amount, ReadError, Reader, SetView};

/// An outlook that is wanted.
pub struct OutlookQuestion {
    /// The month that is measured.
    pub month: Period,
    /// How many months to look ahead, at most [`MOST_MONTHS`].
    pub months: u32,
    /// Of all amounts.
    pub currency: Currency,
    /// Cost of a month that no event reports and that does not grow, in that currency.
    pub unmeasured_fixed_cost: Amount,
    /// The configured grouping sets that have one view each: one without dimensions, one by provider and model, one by user.
    pub sets: Vec<SetView>,
    /// Of the program.
    pub version: String,
    /// That is asked.
    pub database: String,
}

#[derive(Deserialize)]
struct Clock {
    at: String,
    at_s: i64,
}

#[derive(Deserialize)]
struct Sums {
    events: u64,
    calls: u64,
    unpriced_events: u64,
    cost: Amount,
    revenue: Amount,
}

#[derive(Deserialize)]
struct OnModels {
    cost: Amount,
}

#[derive(Deserialize)]
struct Users {
    users: u64,
    others: u64,
}

/// Reads the measured month and looks ahead.
///
/// # Errors
/// [`ReadError`]: ClickHouse cannot be asked, there is no rate for the currency, or amounts grow beyond what money can be.
pub fn read(reader: &Reader<'_>, question: &OutlookQuestion) -> Result<Outlook, ReadError> {
    if question.currency != Currency::USD {
        check_rate(reader, question.currency, question.month.start_s)?;
    }
    let clock: Clock = reader
        .row("the time", "SELECT formatDateTime(now(), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS at, toInt64(toUnixTimestamp(now())) AS at_s")?;
    let mut notes = Vec::new();
    let measured = measured(reader, question, &mut notes)?;
    if clock.at_s < question.month.end_s {
        notes.push(format!("{} is still running: what was measured is not a whole month.", question.month.name));
    }
    if measured.unpriced_events > 0 {
        notes.push(format!("{} events have no known price: what they cost is in no amount.", measured.unpriced_events));
    }
    if measured.users == 0 {
        notes.push("No event of the month names a user: nothing can be said per user.".to_owned());
    }
    if measured.revenue.is_none() {
        notes.push("No event of the month tells revenue: there is no margin, and how many users it takes is not known.".to_owned());
    }
    let base = Base { variable: measured.variable_cost, fixed: measured.fixed_cost, users: measured.users, revenue: measured.revenue };
    let names = month_names(&question.month, question.months.min(MOST_MONTHS));
    let mut scenarios = Vec::new();
    for scenario in Scenario::defaults() {
        let months = base.project(&scenario, &names).ok_or_else(|| too_large(scenario.name))?;
        scenarios.push(Projected { scenario, months });
    }
    Ok(Outlook {
        format: "cost-rhythm-scenario/1",
        version: question.version.clone(),
        generated_at: clock.at,
        database: question.database.clone(),
        currency: question.currency.to_string(),
        month: question.month.clone(),
        measured,
        break_even: base.break_even(),
        scenarios,
        notes,
    })
}

fn too_large(scenario: &'static str) -> ReadError {
    ReadError::TooLarge { what: scenario }
}

fn measured(reader: &Reader<'_>, question: &OutlookQuestion, notes: &mut Vec<String>) -> Result<Measured, ReadError> {
    let of = |key: &[&str]| question.sets.iter().find(|set| set.key == key).map(|set| windows(set, "day", question.currency));
    let month = &question.month;
    let within = format!("v.window_start >= toDateTime({}, 'UTC') AND v.window_start < toDateTime({}, 'UTC')", month.start_s, month.end_s);
    let Some(total) = of(&[]) else { return Err(ReadError::no_total()) };
    let sums: Sums = reader.row(
        "the measured month",
        &format!(
            "SELECT toUInt64(sum(v.events)) AS events, toUInt64(sum(v.calls)) AS calls, toUInt64(sum(v.unpriced_events)) AS unpriced_events,
                toString(sum(v.cost)) AS cost, toString(sum(v.revenue)) AS revenue
            FROM {total} AS v WHERE {within}"
        ),
    )?;
    let variable_cost = match of(&["provider", "model"]) {
        Some(models) => {
            let sql = format!("SELECT toString(sum(v.cost)) AS cost FROM {models} AS v WHERE {within} AND v.model != ''");
            reader.row::<OnModels>("spend on models", &sql)?.cost
        }
        None => {
            notes.push("No grouping set counts by provider and model: all measured spend is taken to grow with usage.".to_owned());
            sums.cost
        }
    };
    let users = match of(&["user_id"]) {
        Some(users) => {
            let sql = format!(
                "SELECT toUInt64(uniqExact(v.user_id)) AS users, toUInt64(countIf(v.user_id = '__other__')) AS others FROM {users} AS v
                WHERE {within} AND v.user_id != ''"
            );
            let found: Users = reader.row("users", &sql)?;
            if found.others > 0 {
                notes.push("Users beyond the grouping set's limit count as one: there are more, and each costs less.".to_owned());
            }
            found.users
        }
        None => {
            notes.push("No grouping set counts by user_id: users are not known.".to_owned());
            0
        }
    };
    Ok(Measured {
        events: sums.events,
        calls: sums.calls,
        unpriced_events: sums.unpriced_events,
        cost: sums.cost,
        variable_cost,
        fixed_cost: sums.cost.less(variable_cost).plus(question.unmeasured_fixed_cost),
        unmeasured_fixed_cost: question.unmeasured_fixed_cost,
        users,
        revenue: (sums.revenue.0 != Money::ZERO).then_some(sums.revenue),
    })
}

/// `2026-10`, `2026-11`, ...
fn month_names(measured: &Period, months: u32) -> Vec<String> {
    let Ok(first) = measured.first_day.parse::<Date>() else { return Vec::new() };
    let names = (0..=months).map_while(|month| first.checked_add(i64::from(month).months()).ok());
    names.map(|day| format!("{:04}-{:02}", day.year(), day.month())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::periodic::PeriodKind;

    #[test]
    fn months_follow_each_other_over_the_turn_of_the_year() {
        let month = Period::holding(PeriodKind::Monthly, jiff::civil::date(2026, 11, 30), "UTC").unwrap();
        assert_eq!(month_names(&month, 3), ["2026-11", "2026-12", "2027-01", "2027-02"]);
    }
}

//! A charge of a bill, from text.

use jiff::civil::{Date, DateTime};
use schemas::Currency;

use super::error::{BillError, Place};
use super::exact::Exact;
use super::form::Apart;

/// A charge.
pub(super) struct Charge<'a> {
    /// UTC, of its start.
    pub(super) day: Date,
    /// As the bill says it.
    pub(super) provider: &'a str,
    /// As the bill says it; empty if it does not.
    pub(super) service: &'a str,
    pub(super) currency: Currency,
    pub(super) amount: Exact,
    /// `None`: it is compared.
    pub(super) apart: Option<Apart>,
}

/// The UTC day of an instant.
///
/// # Errors
/// Names the value and what was expected.
pub(super) fn day(place: &Place, column: &str, text: &str) -> Result<Date, BillError> {
    parse_day(text).ok_or_else(|| {
        let expected = "expected an instant such as 2026-11-23T05:00:00Z (without an offset it is UTC); export the column as the provider writes it, as spreadsheets change dates";
        place.bad_value(column, text, expected)
    })
}

/// `2026-11-23T05:00:00Z`, `2026-11-23 05:00:00.000 UTC` (BigQuery), `2026-11-23T05:00Z`, an offset, nothing (UTC), or the day alone.
fn parse_day(text: &str) -> Option<Date> {
    // More is understood by jiff (weeks, annotations in brackets), and no bill has it.
    let is_plain = |byte: u8| byte.is_ascii_digit() || b"-:. TtZz+".contains(&byte);
    let is_dashed = |text: &str| text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    let (text, is_utc) = text.strip_suffix(" UTC").map_or((text, false), |text| (text, true));
    if !text.bytes().all(is_plain) || !is_dashed(text) {
        return None;
    }
    let civil = || text.parse::<DateTime>().ok().map(DateTime::date);
    if is_utc {
        return civil();
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Some(at.to_zoned(jiff::tz::TimeZone::UTC).date()),
        Err(_) => civil(),
    }
}

/// An exact amount.
///
/// # Errors
/// Names the value and what was expected.
pub(super) fn amount(place: &Place, column: &str, text: &str) -> Result<Exact, BillError> {
    Exact::parse(text).map_err(|error| {
        let remedy = "export the column as the provider writes it, as spreadsheets change numbers";
        place.bad_value(column, text, format!("{error}; {remedy}"))
    })
}

/// A currency code.
///
/// # Errors
/// Names the value and what was expected.
pub(super) fn currency(place: &Place, column: &str, text: &str) -> Result<Currency, BillError> {
    text.parse()
        .map_err(|error| place.bad_value(column, text, format!("{error}; charges in points or tokens cannot be compared: leave them out")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_all_exports_become_utc_days() {
        for (text, expected) in [
            ("2026-11-23T05:00:00Z", Some("2026-11-23")),
            ("2026-11-23T05:00:00.000Z", Some("2026-11-23")),
            ("2026-11-23T05:00Z", Some("2026-11-23")),
            ("2026-11-23 05:00:00 UTC", Some("2026-11-23")),
            ("2026-11-23 05:00:00.123456 UTC", Some("2026-11-23")),
            ("2026-11-23 05:00:00", Some("2026-11-23")),
            ("2026-11-23T23:30:00-05:00", Some("2026-11-24")),
            ("2026-11-23 00:30:00+09:00", Some("2026-11-22")),
            ("2026-11-23", Some("2026-11-23")),
            ("2026-11-31", None),
            ("11/23/2026", None),
            ("23.11.2026", None),
            ("1795392000", None),
            ("20261123T000000Z", None),
            ("2026-11-23T25:00:00Z", None),
            ("2026-11-23T05:00:00Z UTC", None),
            ("2026-11-23T05:00:00[Europe/Berlin]", None),
            ("", None),
        ] {
            assert_eq!(parse_day(text).map(|day| day.to_string()).as_deref(), expected, "{text:?}");
        }
    }
}

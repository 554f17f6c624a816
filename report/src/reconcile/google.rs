//! Google Cloud's billing export as JSON lines, as BigQuery writes it: one object a line, nested as the table is.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::charge::{Charge, amount, currency, day};
use super::error::{BillError, Place};
use super::exact::Exact;
use super::form::BillForm;
use super::ledger::Ledger;
use super::source::{MOST_RECORD_BYTES, Source};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    usage_start_time: Option<&'a RawValue>,
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    service: Option<Service<'a>>,
    #[serde(borrow)]
    cost_type: Option<&'a RawValue>,
    #[serde(borrow)]
    credits: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Service<'a> {
    #[serde(borrow)]
    description: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Credit<'a> {
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
}

/// Reads all lines.
pub(super) fn read(mut source: Source<'_>, file: &str, ledger: &mut Ledger) -> Result<(), BillError> {
    let allowance = source.allowance();
    let mut place = Place { file: file.to_owned(), line: 0 };
    let mut bytes = Vec::new();
    loop {
        place.line += 1;
        let read = source.line(&mut bytes).map_err(|error| {
            if allowance.is_used_up() {
                let most = MOST_RECORD_BYTES >> 20;
                return place.no_bill(format!("longer than {most} MiB: expected one charge a line; export newline delimited JSON"));
            }
            BillError::Unreadable { file: file.to_owned(), problem: error.to_string() }
        })?;
        if read.is_none() {
            return Ok(());
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let refuse = |error| place.no_bill(format!("is no charge of a {}: {error}; export newline delimited JSON", BillForm::Gcp.name()));
        take(&serde_json::from_slice::<Line<'_>>(&bytes).map_err(refuse)?, &place, ledger)?;
    }
}

fn take(line: &Line<'_>, place: &Place, ledger: &mut Ledger) -> Result<(), BillError> {
    let required = |value: Option<&'_ RawValue>, column: &str| match value {
        Some(value) => Ok(text(value).into_owned()),
        None => Err(place.no_bill(format!("no field {column}, which every charge must have: add it to the export"))),
    };
    let service = line.service.as_ref().and_then(|service| service.description).map(text).unwrap_or_default();
    if service.is_empty() && ledger.needs_service() {
        return Err(place.no_bill("no field service.description, by which is to be compared: add it to the export"));
    }
    let kind = line.cost_type.map(text).unwrap_or_default();
    let charge = Charge {
        day: day(place, "usage_start_time", &required(line.usage_start_time, "usage_start_time")?)?,
        provider: BillForm::Gcp.provider(),
        service: &service,
        currency: currency(place, "currency", &required(line.currency, "currency")?)?,
        amount: amount(place, "cost", &required(line.cost, "cost")?)?,
        apart: ledger.classify(BillForm::Gcp, &kind, ""),
    };
    let taken_off = credits(place, "credits", line.credits.map_or("", RawValue::get))?;
    ledger.take(place, &charge, taken_off)
}

/// A JSON text's characters, anything else as it is written: numbers keep all their digits.
fn text(value: &RawValue) -> Cow<'_, str> {
    serde_json::from_str::<String>(value.get()).map_or(Cow::Borrowed(value.get()), Cow::Owned)
}

/// The sum of a charge's credits, which are below zero; `None`: it has none.
///
/// # Errors
/// Names what is no array of credits.
pub(super) fn credits(place: &Place, column: &str, array: &str) -> Result<Option<Exact>, BillError> {
    if array.is_empty() {
        return Ok(None);
    }
    let refuse = |error| place.bad_value(column, array, format!("expected a JSON array of credits: {error}"));
    let credits: Vec<Credit<'_>> = serde_json::from_str(array).map_err(refuse)?;
    let mut sum: Option<Exact> = None;
    for credit in credits {
        let one = credit.amount.map_or(Ok(Exact::default()), |value| amount(place, "credits.amount", &text(value)))?;
        sum = Some(sum.unwrap_or_default().plus(one).ok_or_else(|| place.sum_too_large())?);
    }
    Ok(sum)
}

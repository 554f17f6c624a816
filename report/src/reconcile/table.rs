//! A bill as CSV, record by record.

use csv::{ByteRecord, ReaderBuilder};

use super::charge::{Charge, amount, currency, day};
use super::error::{BillError, Place};
use super::form::{BillForm, CostColumn, Spellings};
use super::google::credits;
use super::ledger::Ledger;
use super::source::{MOST_RECORD_BYTES, Source};

/// Where the columns are.
struct Columns {
    start: usize,
    cost: usize,
    currency: usize,
    provider: Vec<usize>,
    service: Option<usize>,
    kind: Option<usize>,
    class: Option<usize>,
    credits: Option<usize>,
}

/// Reads all records of a CSV; gives its form, and what the column of the cost is called.
pub(super) fn read(source: Source<'_>, file: &str, form: Option<BillForm>, ledger: &mut Ledger) -> Result<(BillForm, String), BillError> {
    let allowance = source.allowance();
    // A carriage return before the end of a line is trimmed with the field: where it ends the record, csv counts the line too late.
    let lines = csv::Terminator::Any(b'\n');
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).terminator(lines).from_reader(source);
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord, after: &Place| -> Result<bool, BillError> {
        allowance.renew();
        reader.read_byte_record(record).map_err(|error| {
            if allowance.is_used_up() {
                return after.no_bill(format!(
                    "the next record is longer than {} MiB: is a quote opened there and never closed? Fetch the export again",
                    MOST_RECORD_BYTES >> 20
                ));
            }
            BillError::Unreadable { file: file.to_owned(), problem: error.to_string() }
        })
    };
    let mut place = Place { file: file.to_owned(), line: 1 };
    if !next(&mut record, &place)? {
        return Err(place.no_bill("is empty: expected a header and charges; fetch the export again"));
    }
    place.line = record.position().map_or(1, csv::Position::line);
    let header = record.iter().map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned())).collect::<Result<Vec<String>, _>>();
    let header = header.map_err(|_| place.no_bill("is no UTF-8: export it as CSV in UTF-8"))?;
    let form = match form {
        Some(form) => form,
        None => detect(&header, &place)?,
    };
    let columns = Columns::find(&header, form, ledger, &place)?;
    while next(&mut record, &place)? {
        place.line = record.position().map_or(place.line, csv::Position::line);
        if record.len() == 1 && record[0].trim_ascii().is_empty() {
            continue;
        }
        if record.len() != header.len() {
            return Err(place.no_bill(format!(
                "{} fields, and the header has {}: the file is cut off or not separated by commas; fetch the export again",
                record.len(),
                header.len()
            )));
        }
        let row = Row { record: &record, header: &header, place: &place };
        if row.text(columns.start)?.eq_ignore_ascii_case(&header[columns.start]) {
            return Err(place.no_bill("a second header: files were joined; give them one by one"));
        }
        row.read(&columns, form, ledger)?;
    }
    Ok((form, header[columns.cost].clone()))
}

/// The form that the header is of.
fn detect(header: &[String], place: &Place) -> Result<BillForm, BillError> {
    let has = |form: &BillForm| form.spellings(CostColumn::Billed).start.iter().any(|name| find(header, name).is_some());
    let found = BillForm::ALL.into_iter().find(has);
    found.ok_or_else(|| {
        let names: String = header.join(", ").chars().take(200).collect();
        place.no_bill(format!(
            "the header is of no export that is known: expected a column ChargePeriodStart (FOCUS), lineItem/UsageStartDate or line_item_usage_start_date (AWS), or usage_start_time (Google Cloud), separated by commas, found {names:?}"
        ))
    })
}

fn find(header: &[String], name: &str) -> Option<usize> {
    header.iter().position(|column| column.eq_ignore_ascii_case(name))
}

impl Columns {
    fn find(header: &[String], form: BillForm, ledger: &Ledger, place: &Place) -> Result<Self, BillError> {
        let spellings: Spellings = form.spellings(ledger.cost());
        let all = |names: &[&str]| -> Result<Vec<usize>, BillError> {
            let twice = |name: &str| header.iter().filter(|column| column.eq_ignore_ascii_case(name)).count() > 1;
            match names.iter().find(|name| twice(name)) {
                Some(name) => Err(place.no_bill(format!("two columns are called {name}: leave one out of the export"))),
                None => Ok(names.iter().filter_map(|name| find(header, name)).collect()),
            }
        };
        let required = |names: &[&str]| -> Result<Vec<usize>, BillError> {
            let found = all(names)?;
            if found.is_empty() {
                let expected = names.join(" or ");
                return Err(place.no_bill(format!("no column {expected}, which a {} must have: add it to the export", form.name())));
            }
            Ok(found)
        };
        let first = |found: Vec<usize>| found.first().copied();
        Ok(Columns {
            start: required(spellings.start)?[0],
            cost: required(spellings.cost)?[0],
            currency: required(spellings.currency)?[0],
            provider: if spellings.provider.is_empty() { Vec::new() } else { required(spellings.provider)? },
            service: first(if ledger.needs_service() { required(spellings.service)? } else { all(spellings.service)? }),
            kind: first(if spellings.kind_is_required { required(spellings.kind)? } else { all(spellings.kind)? }),
            class: first(all(spellings.class)?),
            credits: first(all(spellings.credits)?),
        })
    }
}

/// A record and what its fields are called.
struct Row<'a> {
    record: &'a ByteRecord,
    header: &'a [String],
    place: &'a Place,
}

impl Row<'_> {
    fn text(&self, column: usize) -> Result<&str, BillError> {
        let bytes = self.record.get(column).unwrap_or_default();
        let refuse =
            |_| self.place.bad_value(&self.header[column], &String::from_utf8_lossy(bytes), "is no UTF-8: export it as CSV in UTF-8");
        std::str::from_utf8(bytes).map(str::trim).map_err(refuse)
    }

    fn optional(&self, column: Option<usize>) -> Result<&str, BillError> {
        column.map_or(Ok(""), |column| self.text(column))
    }

    fn read(&self, columns: &Columns, form: BillForm, ledger: &mut Ledger) -> Result<(), BillError> {
        let (place, name) = (self.place, |column: usize| self.header[column].as_str());
        let mut provider = form.provider();
        for column in &columns.provider {
            if provider.is_empty() {
                provider = self.text(*column)?;
            }
        }
        if let (true, Some(column)) = (provider.is_empty(), columns.provider.first()) {
            return Err(place.bad_value(name(*column), "", "expected the provider's name"));
        }
        let kind = self.optional(columns.kind)?;
        if let (true, true, Some(column)) = (kind.is_empty(), form != BillForm::Gcp, columns.kind) {
            return Err(place.bad_value(name(column), "", "expected what the charge is, such as Usage or Tax"));
        }
        let charge = Charge {
            day: day(place, name(columns.start), self.text(columns.start)?)?,
            provider,
            service: self.optional(columns.service)?,
            currency: currency(place, name(columns.currency), self.text(columns.currency)?)?,
            amount: amount(place, name(columns.cost), self.text(columns.cost)?)?,
            apart: ledger.classify(form, kind, self.optional(columns.class)?),
        };
        let taken_off = match columns.credits {
            Some(column) => credits(place, name(column), self.text(column)?)?,
            None => None,
        };
        ledger.take(place, &charge, taken_off)
    }
}

//! The recount against ClickHouse, row by row and digit by digit.

use std::collections::BTreeMap;
use std::fmt;

use crate::measures::COLUMNS;
use crate::open_windows::Key;
use crate::recount::Rows;
use crate::view::{View, accounts_sql, unescape};
use crate::{AuditError, Decimal, Expected, Granularity};

/// Which windows are compared, by their start in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first start.
    pub from_s: Option<i64>,
    /// The first start no longer compared.
    pub to_s: Option<i64>,
}

/// One thing that is not as the recount says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The view.
    pub view: String,
    /// The row, for people: window and dimensions.
    pub row: String,
    /// The column; `None` when the whole row is missing or extra.
    pub column: Option<&'static str>,
    /// What the recount says; `None` for an extra row.
    pub expected: Option<String>,
    /// What ClickHouse says; `None` for a missing row.
    pub actual: Option<String>,
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows compared or found on one side only.
    pub rows: u64,
    /// All differences, listed or not.
    pub differences: u64,
    /// The first of them.
    pub listed: Vec<Difference>,
    /// Rows left out because the topic no longer holds all of their events; their windows begin at or before
    /// [`Expected::partial_until`].
    pub partial_rows: u64,
    /// Are the accounts compared? Not when the topic no longer holds the beginning of a partition.
    pub accounts_compared: bool,
}

impl Report {
    /// Is everything that could be compared equal?
    pub fn is_equal(&self) -> bool {
        self.differences == 0
    }

    fn add(&mut self, limit: usize, difference: Difference) {
        self.differences += 1;
        if self.listed.len() < limit {
            self.listed.push(difference);
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.view, self.row)?;
        match (self.column, &self.expected, &self.actual) {
            (Some(column), Some(expected), Some(actual)) => write!(f, "{column} expected {expected}, found {actual}"),
            (_, Some(_), _) => f.write_str("missing row"),
            _ => f.write_str("extra row"),
        }
    }
}

/// Compares every view of every set, and the accounts. `query` runs SQL and gives the text of the answer; `limit` is how many
/// differences are listed.
///
/// # Errors
/// [`AuditError::Query`] when `query` fails, [`AuditError::Answer`] when the answer is not what was asked for.
pub fn compare<E: fmt::Display>(
    expected: &Expected,
    database: &str,
    range: Range,
    limit: usize,
    mut query: impl FnMut(&str) -> Result<String, E>,
) -> Result<Report, AuditError> {
    let mut report = Report::default();
    for (number, set) in expected.sets.iter().enumerate() {
        for granularity in Granularity::ALL {
            let view = View { granularity, set };
            let name = view.name();
            let text = query(&view.sql(database, &range)).map_err(|e| AuditError::Query { view: name.clone(), cause: e.to_string() })?;
            let rows = expected.rows(number, granularity);
            compare_view(&name, &rows, &parse(&name, set.key.len(), &text)?, expected.partial_until, range, limit, &mut report);
        }
    }
    report.accounts_compared = expected.accounts.values().all(|account| account.first_offset == 0);
    if report.accounts_compared {
        let view = "pipeline_accounts";
        let text = query(&accounts_sql(database)).map_err(|e| AuditError::Query { view: view.to_owned(), cause: e.to_string() })?;
        compare_accounts(expected, &text, limit, &mut report)?;
    }
    Ok(report)
}

/// Rows of ClickHouse: a key may wrongly stand twice.
type ActualRows = BTreeMap<(i64, Key), Vec<Vec<String>>>;

fn parse(view: &str, dimensions: usize, text: &str) -> Result<ActualRows, AuditError> {
    let mut rows = ActualRows::new();
    for (index, line) in text.lines().enumerate() {
        let cells: Vec<String> = line.split('\t').map(unescape).collect();
        let answer = |expected: String| AuditError::Answer { view: view.to_owned(), line: index + 1, expected, found: line.to_owned() };
        if cells.len() != 1 + dimensions + COLUMNS.len() {
            return Err(answer(format!("{} columns", 1 + dimensions + COLUMNS.len())));
        }
        let start_s = cells[0].parse().map_err(|_| answer("a window start".to_owned()))?;
        let key = cells[1..=dimensions].to_vec();
        rows.entry((start_s, key)).or_default().push(cells[1 + dimensions..].to_vec());
    }
    Ok(rows)
}

fn compare_view(
    name: &str,
    expected: &Rows,
    actual: &ActualRows,
    partial_until: Option<i64>,
    range: Range,
    limit: usize,
    report: &mut Report,
) {
    let is_partial = |start_s: i64| partial_until.is_some_and(|until_us| start_s.saturating_mul(1_000_000) <= until_us);
    let in_range = |start_s: i64| range.from_s.is_none_or(|from| start_s >= from) && range.to_s.is_none_or(|to| start_s < to);
    let absent = expected.keys().filter(|row| !actual.contains_key(*row));
    let mut rows: Vec<_> = actual.keys().chain(absent).filter(|(start_s, _)| in_range(*start_s)).collect();
    rows.sort();
    for row in rows {
        if is_partial(row.0) {
            report.partial_rows += 1;
            continue;
        }
        report.rows += 1;
        let difference = |column, expected, actual| Difference { view: name.to_owned(), row: show(row), column, expected, actual };
        let found = actual.get(row).map_or(&[][..], Vec::as_slice);
        let (Some(measures), Some(values)) = (expected.get(row), found.first()) else {
            let texts = |is_there: bool| is_there.then(|| "row".to_owned());
            report.add(limit, difference(None, texts(expected.contains_key(row)), texts(!found.is_empty())));
            continue;
        };
        for _repeat in &found[1..] {
            report.add(limit, difference(None, None, Some("repeated row".to_owned())));
        }
        for (((column, _), expected), actual) in COLUMNS.iter().zip(measures.texts()).zip(values) {
            if !is_same_number(&expected, actual) {
                report.add(limit, difference(Some(*column), Some(expected), Some(actual.clone())));
            }
        }
    }
}

/// Numbers are the same whatever zeros end them.
fn is_same_number(expected: &str, actual: &str) -> bool {
    expected == actual || Decimal::from_text(actual).is_ok_and(|number| number.to_string() == expected)
}

fn show((start_s, key): &(i64, Key)) -> String {
    format!("{} {key:?}", crate::instant::show(start_s.saturating_mul(1_000_000)))
}

fn compare_accounts(expected: &Expected, text: &str, limit: usize, report: &mut Report) -> Result<(), AuditError> {
    let view = "pipeline_accounts";
    let mut actual: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let cells: Vec<String> = line.split('\t').map(unescape).collect();
        let partition = cells[0].parse().ok().filter(|_| cells.len() == 8);
        let answer =
            || AuditError::Answer { view: view.to_owned(), line: index + 1, expected: "8 numbers".to_owned(), found: line.to_owned() };
        actual.insert(partition.ok_or_else(answer)?, cells[1..].to_vec());
    }
    let partitions: std::collections::BTreeSet<_> = expected.accounts.keys().chain(actual.keys()).collect();
    for partition in partitions {
        report.rows += 1;
        let difference = |column, expected, actual| Difference {
            view: view.to_owned(),
            row: format!("partition {partition}"),
            column,
            expected,
            actual,
        };
        match (expected.accounts.get(partition), actual.get(partition)) {
            (Some(account), Some(values)) => {
                for ((column, number), value) in account.columns().into_iter().zip(values) {
                    if number.to_string() != *value {
                        report.add(limit, difference(Some(column), Some(number.to_string()), Some(value.clone())));
                    }
                }
            }
            // A partition without messages may have no row yet.
            (Some(account), None) if account.next_offset == account.first_offset => {}
            (Some(_), None) => report.add(limit, difference(None, Some("row".to_owned()), None)),
            _ => report.add(limit, difference(None, None, Some("row".to_owned()))),
        }
    }
    Ok(())
}

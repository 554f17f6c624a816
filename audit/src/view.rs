//! The views of the contract: their names, and the SQL that reads them without losing a digit.

use crate::measures::COLUMNS;
use crate::{Granularity, GroupingSet, Range};

/// One view of ClickHouse.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// How long its windows are.
    pub granularity: Granularity,
    /// What it groups by.
    pub set: &'a GroupingSet,
}

impl View<'_> {
    /// `hourly_total`, `daily_by_model`, ...
    pub fn name(&self) -> String {
        let prefix = self.granularity.prefix();
        if self.set.name == "total" { format!("{prefix}_total") } else { format!("{prefix}_by_{}", self.set.name) }
    }

    /// Reads all windows that begin within the range: tab-separated, with the window's start, the dimensions and the compared
    /// columns.
    pub fn sql(&self, database: &str, range: &Range) -> String {
        let start = "toString(toUnixTimestamp(window_start))".to_owned();
        let dimensions = self.set.key.iter().map(|name| format!("`{name}`"));
        let measures = COLUMNS.iter().map(|(_, sql)| (*sql).to_owned());
        let columns: Vec<_> = std::iter::once(start).chain(dimensions).chain(measures).collect();
        let from = range.from_s.map(|s| format!("toUnixTimestamp(window_start) >= {s}"));
        let to = range.to_s.map(|s| format!("toUnixTimestamp(window_start) < {s}"));
        let limits: Vec<_> = from.into_iter().chain(to).collect();
        let filter = if limits.is_empty() { String::new() } else { format!(" WHERE {}", limits.join(" AND ")) };
        format!("SELECT {} FROM `{database}`.`{}`{filter} FORMAT TabSeparated", columns.join(", "), self.name())
    }
}

/// Reads the accounts.
pub(crate) fn accounts_sql(database: &str) -> String {
    format!(
        "SELECT toString(partition), toString(offsets_in), toString(counted), toString(duplicate), toString(conflict), toString(late), \
         toString(rejected), toString(skipped) FROM `{database}`.`pipeline_accounts` FORMAT TabSeparated"
    )
}

/// Undoes the escapes of ClickHouse's `TabSeparated`.
pub(crate) fn unescape(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

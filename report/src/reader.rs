//! Questions to ClickHouse and their answers as values.

use serde::de::DeserializeOwned;

/// What a client must be able to do: the rows of a query as lines of JSON (`JSONEachRow`).
type Ask<'a> = Box<dyn Fn(&str) -> Result<String, String> + 'a>;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The server is away, refuses, or lacks a view.
    #[error(
        "CR-6001: {what} cannot be read from ClickHouse: {problem}; check clickhouse.url and that `cost-rhythm run` has made the views"
    )]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The server's or the client's words.
        problem: String,
    },
    /// It answered something else than was expected.
    #[error(
        "CR-6002: {what}: ClickHouse answered what this program does not understand: {problem}; were the views made by another version?"
    )]
    NotUnderstood {
        /// What was asked for.
        what: &'static str,
        /// Where reading stopped.
        problem: String,
    },
    /// Amounts of a currency are asked for, and no rate was in force then.
    #[error(
        "CR-6004: {currency}: no exchange rate: {problem}; add a [[rate]] with an earlier `from` to a file of prices.rates and start `cost-rhythm run` once, or take another currency"
    )]
    NoRate {
        /// Which one.
        currency: String,
        /// What there is.
        problem: String,
    },
    /// Amounts grow beyond what money can be (10^20).
    #[error("CR-6005: scenario {what}: amounts grow beyond 10^20, which is no money any more: look fewer months ahead (--months)")]
    TooLarge {
        /// Which scenario.
        what: &'static str,
    },
}

impl ReadError {
    /// Nothing counts all spend.
    pub(crate) fn no_total() -> Self {
        let problem = "no grouping set has an empty key: add [[grouping_set]] name = \"total\", key = []".to_owned();
        ReadError::Refused { what: "the total", problem }
    }
}

/// Behind every question: counts are read as numbers, and the server may write those of 64 bits as text else.
const WHOLE_NUMBERS: &str = "SETTINGS output_format_json_quote_64bit_integers = 0";

/// Asks ClickHouse through a client of the caller's.
pub struct Reader<'a>(Ask<'a>);

impl<'a> Reader<'a> {
    /// Over a client.
    pub fn new(ask: impl Fn(&str) -> Result<String, String> + 'a) -> Self {
        Reader(Box::new(ask))
    }

    /// All rows of a query, which has no SETTINGS of its own. `what` names them in errors.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn rows<T: DeserializeOwned>(&self, what: &'static str, sql: &str) -> Result<Vec<T>, ReadError> {
        let text = (self.0)(&format!("{sql} {WHOLE_NUMBERS}")).map_err(|problem| ReadError::Refused { what, problem })?;
        let row = |line: &str| {
            serde_json::from_str(line).map_err(|error| ReadError::NotUnderstood { what, problem: format!("{error} in {line:?}") })
        };
        text.lines().filter(|line| !line.is_empty()).map(row).collect()
    }

    /// The one row of a query.
    ///
    /// # Errors
    /// [`ReadError`]; none and several rows are errors too.
    pub fn row<T: DeserializeOwned>(&self, what: &'static str, sql: &str) -> Result<T, ReadError> {
        let mut rows = self.rows(what, sql)?;
        match (rows.pop(), rows.len()) {
            (Some(row), 0) => Ok(row),
            (found, more) => {
                let found = usize::from(found.is_some()) + more;
                Err(ReadError::NotUnderstood { what, problem: format!("expected one row, found {found}") })
            }
        }
    }
}

/// A text as a literal of ClickHouse's SQL.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Row {
        a: u64,
    }

    #[test]
    fn rows_are_read_line_by_line() {
        let reader = Reader::new(|_| Ok("{\"a\":1}\n{\"a\":2}\n".to_owned()));
        assert_eq!(reader.rows::<Row>("rows", "").unwrap(), [Row { a: 1 }, Row { a: 2 }]);
        assert!(reader.row::<Row>("rows", "").unwrap_err().to_string().contains("expected one row, found 2"));
    }

    #[test]
    fn errors_say_what_was_asked_for() {
        let refused = Reader::new(|_| Err("no such view".to_owned())).rows::<Row>("budgets", "").unwrap_err();
        assert!(refused.to_string().starts_with("CR-6001: budgets cannot be read from ClickHouse: no such view"));
        let other = Reader::new(|_| Ok("{\"b\":1}".to_owned())).rows::<Row>("budgets", "").unwrap_err();
        assert!(other.to_string().starts_with("CR-6002: budgets"), "{other}");
    }

    #[test]
    fn quotes_and_backslashes_stay_inside_a_literal() {
        assert_eq!(literal(r"a'b\"), r"'a\'b\\'");
    }
}

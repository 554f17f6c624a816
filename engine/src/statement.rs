//! What kind of statement a text is, which decides the way it goes into the engine.

use crate::exception::{Exception, code};
use crate::tokens::{Kind, Token, Tokens};

/// A statement, as far as the front must understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// An `INSERT` with data: `head` ends before its format, the data begins at `data`.
    Insert {
        /// Length of the text before `FORMAT` or `VALUES`.
        head: usize,
        /// The data's format.
        format: String,
        /// Where the data begins.
        data: usize,
    },
    /// Anything else, to be handed over whole.
    Plain {
        /// Whether its result could come in blocks.
        streamable: bool,
        /// The format its own `FORMAT` clause names.
        format: Option<String>,
    },
    /// No statement at all.
    Empty,
}

impl Statement {
    /// Reads the statement that `text` begins with.
    ///
    /// # Errors
    /// A second statement behind a `;` (62), and clauses that would touch files of the engine's machine (358).
    pub(crate) fn read(text: &[u8]) -> Result<Self, Exception> {
        let mut tokens = Tokens::new(text).peekable();
        let Some(first) = tokens.peek().copied() else { return Ok(Self::Empty) };
        let is_insert = first.is(text, "INSERT");
        let streamable = first.is(text, "SELECT") || first.is(text, "WITH") || first.kind == Kind::Symbol(b'(');
        let mut format = None;
        let mut has_totals = false;
        let mut selects = false;
        let mut previous: Option<Token> = None;
        while let Some(token) = tokens.next() {
            let next = tokens.peek().copied();
            if token.kind == Kind::Symbol(b';') {
                return match next.filter(|next| next.kind != Kind::Symbol(b';')) {
                    Some(_) => Err(syntax_error("Multi-statements are not allowed")),
                    None => Ok(Self::Plain { streamable: streamable && !has_totals, format }),
                };
            }
            let follows = |keyword| previous.is_some_and(|previous| previous.is(text, keyword));
            if (token.is(text, "OUTFILE") && follows("INTO")) || (token.is(text, "INFILE") && follows("FROM")) {
                return Err(files_refused());
            }
            if token.depth == 0 && is_clause(text, previous, token) {
                selects |= token.is(text, "SELECT") || token.is(text, "WITH");
                if is_insert && !selects && token.is(text, "VALUES") {
                    return Ok(Self::Insert { head: token.start, format: "Values".to_owned(), data: token.end });
                }
                if let Some(name) = next.filter(|next| token.is(text, "FORMAT") && next.kind == Kind::Word) {
                    let name_text = String::from_utf8_lossy(&text[name.start..name.end]).into_owned();
                    if is_insert && !selects {
                        let data = data_start(text, name.end)?;
                        return Ok(Self::Insert { head: token.start, format: name_text, data });
                    }
                    format = Some(name_text);
                }
            }
            has_totals |= token.is(text, "TOTALS");
            previous = Some(token);
        }
        Ok(Self::Plain { streamable: streamable && !has_totals, format })
    }
}

/// Whether a word can begin a clause: not the name of a table, nor a part of a dotted name.
fn is_clause(text: &[u8], previous: Option<Token>, token: Token) -> bool {
    let is_name = previous.is_some_and(|previous| {
        previous.kind == Kind::Symbol(b'.') || ["INTO", "TABLE", "FROM", "AS", "JOIN"].iter().any(|keyword| previous.is(text, keyword))
    });
    let is_prefix = text.get(token.end) == Some(&b'.');
    token.kind == Kind::Word && !is_prefix && (!is_name || token.is(text, "SELECT"))
}

/// Where the data begins behind the name of its format, by the rules of ClickHouse's `ParserInsertQuery.cpp`.
fn data_start(text: &[u8], format_end: usize) -> Result<usize, Exception> {
    let mut data = format_end;
    while matches!(text.get(data), Some(b' ' | b'\t' | 0x0c)) {
        data += 1;
    }
    if text.get(data) == Some(&b';') {
        return Err(syntax_error("You have excessive ';' symbol before data for INSERT"));
    }
    if text.get(data) == Some(&b'\r') {
        data += 1;
    }
    if text.get(data) == Some(&b'\n') {
        data += 1;
    }
    Ok(data)
}

fn syntax_error(text: &str) -> Exception {
    Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", format_args!("Syntax error ({text})"))
}

fn files_refused() -> Exception {
    Exception::new(code::INTO_OUTFILE_NOT_ALLOWED, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE and FROM INFILE are not allowed over HTTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &str) -> (String, String, String) {
        match Statement::read(text.as_bytes()).unwrap() {
            Statement::Insert { head, format, data } => (text[..head].into(), format, text[data..].into()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_insert_is_cut_before_its_format_and_its_data() {
        let expected = |head: &str, format: &str, data: &str| (head.to_owned(), format.to_owned(), data.to_owned());
        assert_eq!(insert("INSERT INTO t(a,b) FORMAT RowBinary"), expected("INSERT INTO t(a,b) ", "RowBinary", ""));
        assert_eq!(
            insert("/* FORMAT x */ insert into d.`t;` (`format`) SETTINGS a=1 format JSONEachRow \r\n\n{}"),
            expected("/* FORMAT x */ insert into d.`t;` (`format`) SETTINGS a=1 ", "JSONEachRow", "\n{}")
        );
        assert_eq!(insert("INSERT INTO t VALUES (1),(';')"), expected("INSERT INTO t ", "Values", " (1),(';')"));
        assert_eq!(insert("INSERT INTO format FORMAT CSV\n1;2"), expected("INSERT INTO format ", "CSV", "1;2"));
        assert_eq!(insert("INSERT INTO values.t (format, x) VALUES (1)").0, "INSERT INTO values.t (format, x) ");
    }

    #[test]
    fn a_select_tells_its_format_and_whether_it_streams() {
        let plain = |streamable, format: Option<&str>| Statement::Plain { streamable, format: format.map(str::to_owned) };
        let cases = [
            ("SELECT 1", plain(true, None)),
            ("(SELECT 1) UNION ALL SELECT ' FORMAT x' FORMAT JSON ;", plain(true, Some("JSON"))),
            ("WITH 1 AS x SELECT format('{}', x) FROM t SETTINGS a = 1 FORMAT TSV", plain(true, Some("TSV"))),
            ("SELECT count() GROUP BY 1 WITH TOTALS", plain(false, None)),
            ("SHOW TABLES", plain(false, None)),
            ("INSERT INTO t SELECT * FROM u", plain(false, None)),
            ("INSERT INTO t (a) WITH 1 AS x SELECT x", plain(false, None)),
        ];
        for (text, expected) in cases {
            assert_eq!(Statement::read(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn two_statements_and_files_are_refused() {
        assert_eq!(Statement::read(b"SELECT 1; DROP TABLE t").unwrap_err().code, 62);
        assert_eq!(Statement::read(b"SELECT 1 INTO OUTFILE '/etc/x'").unwrap_err().code, 358);
        assert_eq!(Statement::read(b"INSERT INTO t FROM INFILE 'x' FORMAT CSV").unwrap_err().code, 358);
        assert_eq!(Statement::read(b"INSERT INTO t FORMAT CSV; 1").unwrap_err().code, 62);
        assert_eq!(Statement::read(b" -- nothing\n").unwrap(), Statement::Empty);
    }
}

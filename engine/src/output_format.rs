//! How a result's format goes over the wire.
//!
//! The library's stream yields a *complete* document for every block: a header each time, or a whole Parquet file. Rows without
//! a frame can simply follow each other, repeated headers can be cut off, and everything else has to be made in one piece.

/// What to do with the blocks of a streamed result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assembly {
    /// Blocks follow each other.
    Concatenate,
    /// Blocks after the first lose their header.
    CutHeader(Header),
    /// No streaming: the result is made whole and bounded.
    Whole,
}

/// The shape of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// A count, then as many names, and as many types if `types`, each with its length (LEB128).
    Binary {
        /// Whether types follow the names.
        types: bool,
    },
    /// This many lines.
    Lines(usize),
    /// This many lines; a newline within double quotes does not end one.
    QuotedLines(usize),
}

impl Assembly {
    /// The way for a format, by its name in any case.
    pub(crate) fn of(format: &str) -> Self {
        let lower = format.to_ascii_lowercase();
        let lower = lower.replace("tabseparated", "tsv");
        match lower.as_str() {
            "rowbinary"
            | "native"
            | "tsv"
            | "tsvraw"
            | "csv"
            | "tskv"
            | "jsoneachrow"
            | "jsonlines"
            | "ndjson"
            | "jsonstringseachrow"
            | "jsoncompacteachrow"
            | "jsoncompactstringseachrow"
            | "lineasstring"
            | "rawblob"
            | "msgpack" => Self::Concatenate,
            "rowbinarywithnames" => Self::CutHeader(Header::Binary { types: false }),
            "rowbinarywithnamesandtypes" => Self::CutHeader(Header::Binary { types: true }),
            "tsvwithnames" | "tsvrawwithnames" | "jsoncompacteachrowwithnames" | "jsoncompactstringseachrowwithnames" => {
                Self::CutHeader(Header::Lines(1))
            }
            "tsvwithnamesandtypes"
            | "tsvrawwithnamesandtypes"
            | "jsoncompacteachrowwithnamesandtypes"
            | "jsoncompactstringseachrowwithnamesandtypes" => Self::CutHeader(Header::Lines(2)),
            "csvwithnames" => Self::CutHeader(Header::QuotedLines(1)),
            "csvwithnamesandtypes" => Self::CutHeader(Header::QuotedLines(2)),
            _ => Self::Whole,
        }
    }

    /// How many bytes to cut off a block that is not the first; `None` when the block does not begin with a whole header.
    pub(crate) fn repeated_header_length(self, block: &[u8]) -> Option<usize> {
        match self {
            Self::Concatenate | Self::Whole => Some(0),
            Self::CutHeader(Header::Lines(lines)) => line_header_length(block, lines, false),
            Self::CutHeader(Header::QuotedLines(lines)) => line_header_length(block, lines, true),
            Self::CutHeader(Header::Binary { types }) => binary_header_length(block, types),
        }
    }
}

fn line_header_length(block: &[u8], lines: usize, quotes: bool) -> Option<usize> {
    let mut quoted = false;
    let mut seen = 0;
    for (index, byte) in block.iter().enumerate() {
        match byte {
            b'"' if quotes => quoted = !quoted,
            b'\n' if !quoted => {
                seen += 1;
                if seen == lines {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn binary_header_length(block: &[u8], types: bool) -> Option<usize> {
    let (columns, mut position) = read_length(block, 0)?;
    let texts = if types { columns.checked_mul(2)? } else { columns };
    for _ in 0..texts {
        let (length, start) = read_length(block, position)?;
        position = start.checked_add(length).filter(|end| *end <= block.len())?;
    }
    Some(position)
}

/// Reads a LEB128 length at `position`; returns it and the place behind it.
fn read_length(block: &[u8], position: usize) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (index, byte) in block.get(position..)?.iter().take(9).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, position + index + 1));
        }
    }
    None
}

/// The `Content-Type` ClickHouse answers a format with.
pub(crate) fn content_type(format: &str) -> &'static str {
    let lower = format.to_ascii_lowercase();
    let lower = lower.replace("tabseparated", "tsv");
    match lower.as_str() {
        "jsoneachrow" | "jsonlines" | "ndjson" => "application/x-ndjson; charset=UTF-8",
        json if json.starts_with("json") => "application/json; charset=UTF-8",
        csv if csv.starts_with("csv") => "text/csv; charset=UTF-8; header=absent",
        tsv if tsv.starts_with("tsv") => "text/tab-separated-values; charset=UTF-8",
        "xml" => "application/xml; charset=UTF-8",
        "arrow" | "arrowstream" | "parquet" | "orc" | "native" | "msgpack" | "avro" => "application/octet-stream",
        binary if binary.starts_with("rowbinary") => "application/octet-stream",
        _ => "text/plain; charset=UTF-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_shape_are_measured() {
        let binary = b"\x02\x01a\x01b\x05UInt8\x06String rest";
        assert_eq!(Assembly::of("RowBinaryWithNamesAndTypes").repeated_header_length(binary), Some(18));
        assert_eq!(Assembly::of("RowBinaryWithNames").repeated_header_length(binary), Some(5));
        assert_eq!(Assembly::of("CSVWithNames").repeated_header_length(b"\"a\nb\",\"c\"\n1,2\n"), Some(10));
        assert_eq!(Assembly::of("TabSeparatedWithNamesAndTypes").repeated_header_length(b"\"a\nUInt8\n1\n"), Some(9));
        assert_eq!(Assembly::of("TSV").repeated_header_length(b"1\n"), Some(0));
    }

    #[test]
    fn a_cut_header_is_noticed() {
        let assembly = Assembly::of("RowBinaryWithNamesAndTypes");
        for block in [&b"\x02\x01a"[..], b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff", b""] {
            assert_eq!(assembly.repeated_header_length(block), None);
        }
        assert_eq!(Assembly::of("CSVWithNames").repeated_header_length(b"\"a\n"), None);
    }

    #[test]
    fn documents_are_made_whole() {
        for format in ["JSON", "Parquet", "ArrowStream", "Pretty", "Unheard"] {
            assert_eq!(Assembly::of(format), Assembly::Whole);
        }
    }
}

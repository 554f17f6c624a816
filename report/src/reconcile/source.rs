//! The bytes of a bill: unpacked, without a byte order mark, and never more than one record of them in memory.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

/// A record has so many bytes at most. Without a bound, a quote that is never closed would be a record as long as the file.
pub(super) const MOST_RECORD_BYTES: u64 = 8 << 20;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What a bill holds.
pub(super) struct Source<'a> {
    input: BufReader<Box<dyn Read + 'a>>,
    left: Rc<Cell<u64>>,
}

/// How much a record may still take.
pub(super) struct Allowance(Rc<Cell<u64>>);

impl<'a> Source<'a> {
    /// Plain or gzip, told by the first bytes.
    pub(super) fn open(mut input: impl Read + 'a) -> io::Result<Self> {
        let first = first_bytes::<2>(&mut input)?;
        let is_packed = first == GZIP;
        let input = Cursor::new(first).chain(input);
        let mut input: Box<dyn Read + 'a> = if is_packed { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
        let first = first_bytes::<3>(&mut input)?;
        let first = if first == BYTE_ORDER_MARK { Vec::new() } else { first };
        Ok(Source { input: BufReader::new(Box::new(Cursor::new(first).chain(input))), left: Rc::new(Cell::new(MOST_RECORD_BYTES)) })
    }

    /// The first character that is no white space; `None`: there is nothing.
    pub(super) fn first(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.iter().copied().find(|byte| !byte.is_ascii_whitespace()))
    }

    /// To be renewed after every record.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance(Rc::clone(&self.left))
    }

    /// The next line into `line`, without its end; `None` after the last.
    pub(super) fn line(&mut self, line: &mut Vec<u8>) -> io::Result<Option<()>> {
        line.clear();
        let read = (&mut self.input).take(MOST_RECORD_BYTES).read_until(b'\n', line)?;
        if read as u64 == MOST_RECORD_BYTES && line.last() != Some(&b'\n') {
            self.left.set(0);
            return Err(io::Error::other("a line is too long"));
        }
        while line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            line.pop();
        }
        Ok((read > 0).then_some(()))
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("a record is too long"));
        }
        let read = self.input.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read as u64));
        Ok(read)
    }
}

impl Allowance {
    pub(super) fn renew(&self) {
        self.0.set(MOST_RECORD_BYTES);
    }

    /// Was a record too long?
    pub(super) fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// The first `N` bytes, fewer of a shorter input.
fn first_bytes<const N: usize>(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(N);
    input.take(N as u64).read_to_end(&mut first)?;
    Ok(first)
}

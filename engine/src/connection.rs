//! Safe handles over the library's connections, results and insert streams.
//!
//! The library's rules, found in its sources and by trial:
//! - one engine per process; it opens with the first connection and closes with the last;
//! - a connection runs one statement at a time and may move between threads; several connections run at once;
//! - opening and closing a connection takes about 0.2 ms, so every request gets its own, and nothing it sets or uses can leak; one at a time,
//!   because both touch what all connections share (chdb-core's issue 171: a race there corrupts memory);
//! - `INSERT ... FORMAT X` with binary data after the text is *not* safe in a plain query: the client inside the library ends
//!   the data at the first empty line (two newline bytes). Data goes through an [`InsertStream`], which is safe for any bytes;
//! - a [`ResultStream`] yields one complete document per block (see [`crate::output_format`]).

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use crate::error::EngineError;
use crate::exception::Exception;
use crate::ffi::{ConnectionHandle, ConnectionPointer, InsertPointer, ResultPointer, StatementFunction, Symbols};

/// A parameter of a statement: the name in `{name:Type}` and its value as text.
pub(crate) type Parameter = (String, String);

/// Held while a connection is opened or closed.
static OPENING: Mutex<()> = Mutex::new(());

/// One connection, for one statement at a time.
pub(crate) struct Connection {
    symbols: &'static Symbols,
    handle: ConnectionHandle,
}

// SAFETY: the library ties no connection to a thread; `&mut self` keeps statements apart.
unsafe impl Send for Connection {}

impl Connection {
    /// Opens a connection to `data_dir`. Arguments are `--name=value`; see [`crate::memory`].
    pub(crate) fn open(symbols: &'static Symbols, data_dir: &Path, arguments: &[String]) -> Result<Self, EngineError> {
        let failed = |message: &str| EngineError::Open { data_dir: data_dir.to_owned(), message: message.to_owned() };
        let path = data_dir.to_str().ok_or_else(|| failed("the path is not UTF-8"))?;
        let mut texts = vec!["clickhouse".to_owned(), format!("--path={path}")];
        texts.extend_from_slice(arguments);
        let texts: Vec<CString> =
            texts.into_iter().map(CString::new).collect::<Result<_, _>>().map_err(|_| failed("an argument holds a NUL byte"))?;
        let mut pointers: Vec<*mut c_char> = texts.iter().map(|text| text.as_ptr().cast_mut()).collect();
        let count = i32::try_from(pointers.len()).map_err(|_| failed("too many arguments"))?;
        let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: `count` NUL-terminated strings that outlive the call; the library only reads them.
        let handle = unsafe { (symbols.connect)(count, pointers.as_mut_ptr()) };
        if handle.is_null() {
            return Err(failed("its own message is on the standard error output"));
        }
        Ok(Self { symbols, handle })
    }

    /// Runs a statement and keeps its whole result.
    pub(crate) fn query(&mut self, text: &[u8], format: &str, parameters: &[Parameter]) -> Result<ResultBlock, Exception> {
        let raw = self.call(self.symbols.query, text, format, parameters);
        ResultBlock::checked(self.symbols, raw)
    }

    /// Starts a statement whose result comes block by block; only `SELECT` can be streamed.
    pub(crate) fn stream(&mut self, text: &[u8], format: &str, parameters: &[Parameter]) -> Result<ResultStream<'_>, Exception> {
        let raw = self.call(self.symbols.stream_query, text, format, parameters);
        let start = ResultBlock::checked(self.symbols, raw)?;
        Ok(ResultStream { connection: self, start, ended: false })
    }

    /// Starts an `INSERT`; `text` ends before its `FORMAT` clause.
    pub(crate) fn insert(&mut self, text: &[u8], format: &str, parameters: &[Parameter]) -> Result<InsertStream<'_>, Exception> {
        let raw = self.call(self.symbols.insert_begin, text, format, parameters);
        let stream = InsertStream { connection: self, raw };
        match stream.error() {
            Some(exception) => Err(exception),
            None => Ok(stream),
        }
    }

    /// The library's own pointer of this connection.
    fn pointer(&self) -> ConnectionPointer {
        // SAFETY: `open` checked the handle, and only `drop` closes it.
        unsafe { *self.handle }
    }

    /// Calls one of the three functions that take a statement.
    fn call(&self, function: StatementFunction, text: &[u8], format: &str, parameters: &[Parameter]) -> *mut std::ffi::c_void {
        let names: Vec<*const c_char> = parameters.iter().map(|(name, _)| name.as_ptr().cast()).collect();
        let name_lengths: Vec<usize> = parameters.iter().map(|(name, _)| name.len()).collect();
        let values: Vec<*const c_char> = parameters.iter().map(|(_, value)| value.as_ptr().cast()).collect();
        let value_lengths: Vec<usize> = parameters.iter().map(|(_, value)| value.len()).collect();
        // SAFETY: every pointer comes with its length and outlives the call; the library copies what it keeps.
        unsafe {
            function(
                self.pointer(),
                text.as_ptr().cast(),
                text.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: opened by `open`, closed once; streams borrow the connection, so none is left.
        unsafe { (self.symbols.close)(self.handle) }
    }
}

/// Bytes of a result, and what the statement read and wrote for them.
pub(crate) struct ResultBlock {
    symbols: &'static Symbols,
    raw: ResultPointer,
}

// SAFETY: a finished result is plain memory; nobody but us has its pointer.
unsafe impl Send for ResultBlock {}
// SAFETY: shared use only reads it.
unsafe impl Sync for ResultBlock {}

impl ResultBlock {
    /// Takes over a result and turns an error in it into an exception.
    fn checked(symbols: &'static Symbols, raw: ResultPointer) -> Result<Self, Exception> {
        if raw.is_null() {
            return Err(Exception::from_engine("the engine returned no result"));
        }
        let block = Self { symbols, raw };
        // SAFETY: `raw` is a live result; its error text lives as long as it.
        let error = unsafe { text((symbols.result_error)(raw)) };
        match error {
            Some(message) => Err(Exception::from_engine(&message)),
            None => Ok(block),
        }
    }

    /// The bytes, in the format asked for.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: buffer and length belong to a live result.
        unsafe {
            let length = (self.symbols.result_length)(self.raw);
            let buffer = (self.symbols.result_buffer)(self.raw);
            if length == 0 || buffer.is_null() { &[] } else { std::slice::from_raw_parts(buffer.cast(), length) }
        }
    }

    /// Counters of the statement so far.
    pub(crate) fn counters(&self) -> Counters {
        // SAFETY: `raw` is a live result.
        unsafe {
            Counters {
                result_rows: (self.symbols.result_rows)(self.raw),
                read_rows: (self.symbols.result_storage_rows)(self.raw),
                read_bytes: (self.symbols.result_storage_bytes)(self.raw),
                written_rows: (self.symbols.result_rows_written)(self.raw),
                written_bytes: (self.symbols.result_bytes_written)(self.raw),
            }
        }
    }
}

impl AsRef<[u8]> for ResultBlock {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Drop for ResultBlock {
    fn drop(&mut self) {
        // SAFETY: taken over in `checked`, destroyed once.
        unsafe { (self.symbols.destroy_result)(self.raw) }
    }
}

/// What a statement read, returned and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) result_rows: u64,
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
}

impl Counters {
    /// Both together: a stream counts block by block.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            result_rows: self.result_rows + other.result_rows,
            read_rows: self.read_rows + other.read_rows,
            read_bytes: self.read_bytes + other.read_bytes,
            written_rows: self.written_rows + other.written_rows,
            written_bytes: self.written_bytes + other.written_bytes,
        }
    }
}

/// A running `SELECT`; dropping it cancels what has not been fetched.
pub(crate) struct ResultStream<'connection> {
    connection: &'connection mut Connection,
    start: ResultBlock,
    ended: bool,
}

impl ResultStream<'_> {
    /// The next block, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<ResultBlock>, Exception> {
        if self.ended {
            return Ok(None);
        }
        // SAFETY: the stream was started on this connection and is neither ended nor cancelled.
        let raw = unsafe { (self.connection.symbols.stream_fetch)(self.connection.pointer(), self.start.raw) };
        let fetched = ResultBlock::checked(self.connection.symbols, raw);
        self.ended = match &fetched {
            Ok(block) => block.bytes().is_empty(),
            Err(_) => true,
        };
        fetched.map(|block| if self.ended { None } else { Some(block) })
    }
}

impl Drop for ResultStream<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: as in `next`; afterwards only `start` is destroyed.
            unsafe { (self.connection.symbols.stream_cancel)(self.connection.pointer(), self.start.raw) }
        }
    }
}

/// A running `INSERT`; dropping it without [`InsertStream::finish`] cancels it.
pub(crate) struct InsertStream<'connection> {
    connection: &'connection mut Connection,
    raw: InsertPointer,
}

impl InsertStream<'_> {
    /// Hands over a piece of the data, cut anywhere; blocks while the engine is behind. Returns false when the insert
    /// has failed and [`InsertStream::finish`] will say why.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: a live stream; the library copies the bytes.
        unsafe { (self.connection.symbols.insert_append)(self.raw, data.as_ptr().cast(), data.len()) == 0 }
    }

    /// Commits, and returns once the data is in the table's directory.
    pub(crate) fn finish(self) -> Result<Counters, Exception> {
        // SAFETY: a live stream; `drop` destroys it afterwards, which is what the library asks for.
        let raw = unsafe { (self.connection.symbols.insert_done)(self.raw) };
        ResultBlock::checked(self.connection.symbols, raw).map(|block| block.counters())
    }

    /// Throws away what has not been written yet; whole blocks that were are kept, as in ClickHouse.
    pub(crate) fn cancel(self) {
        // SAFETY: a live stream; `drop` destroys it afterwards.
        unsafe { (self.connection.symbols.insert_cancel)(self.raw) }
    }

    fn error(&self) -> Option<Exception> {
        if ptr::eq(self.raw, ptr::null()) {
            return Some(Exception::from_engine("the engine returned no insert stream"));
        }
        // SAFETY: a live stream; the text lives as long as it.
        unsafe { text((self.connection.symbols.insert_error)(self.raw)) }.map(|message| Exception::from_engine(&message))
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: destroyed once; the library cancels first when the stream is still open.
            unsafe { (self.connection.symbols.insert_destroy)(self.raw) }
        }
    }
}

/// Copies a C string that may be missing.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    Some(text.to_string_lossy().into_owned()).filter(|text| !text.is_empty())
}

//! The C functions of `libchdb.so` that we call, as `chdb.h` of version 26.7 declares them.
//!
//! Nothing here is safe to call without the rules written in [`crate::connection`].

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;

use libloading::{Error, Library};

/// `chdb_connection *`: what connecting returns and closing takes.
pub(crate) type ConnectionHandle = *mut *mut c_void;
/// `chdb_connection`: what statements take.
pub(crate) type ConnectionPointer = *mut c_void;
/// `chdb_result *`.
pub(crate) type ResultPointer = *mut c_void;
/// `chdb_insert_stream`.
pub(crate) type InsertPointer = *mut c_void;

/// A statement that returns a result: text, format, then names and values of its parameters.
pub(crate) type StatementFunction = unsafe extern "C" fn(
    ConnectionPointer,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> *mut c_void;

/// The functions' addresses, valid for the life of the process.
pub(crate) struct Symbols {
    pub(crate) connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> ConnectionHandle,
    pub(crate) close: unsafe extern "C" fn(ConnectionHandle),
    pub(crate) query: StatementFunction,
    pub(crate) stream_query: StatementFunction,
    pub(crate) stream_fetch: unsafe extern "C" fn(ConnectionPointer, ResultPointer) -> ResultPointer,
    pub(crate) stream_cancel: unsafe extern "C" fn(ConnectionPointer, ResultPointer),
    pub(crate) destroy_result: unsafe extern "C" fn(ResultPointer),
    pub(crate) result_buffer: unsafe extern "C" fn(ResultPointer) -> *mut c_char,
    pub(crate) result_length: unsafe extern "C" fn(ResultPointer) -> usize,
    pub(crate) result_error: unsafe extern "C" fn(ResultPointer) -> *const c_char,
    pub(crate) result_rows: unsafe extern "C" fn(ResultPointer) -> u64,
    pub(crate) result_storage_rows: unsafe extern "C" fn(ResultPointer) -> u64,
    pub(crate) result_storage_bytes: unsafe extern "C" fn(ResultPointer) -> u64,
    pub(crate) result_rows_written: unsafe extern "C" fn(ResultPointer) -> u64,
    pub(crate) result_bytes_written: unsafe extern "C" fn(ResultPointer) -> u64,
    pub(crate) insert_begin: StatementFunction,
    pub(crate) insert_append: unsafe extern "C" fn(InsertPointer, *const c_void, usize) -> c_int,
    pub(crate) insert_done: unsafe extern "C" fn(InsertPointer) -> ResultPointer,
    pub(crate) insert_cancel: unsafe extern "C" fn(InsertPointer),
    pub(crate) insert_error: unsafe extern "C" fn(InsertPointer) -> *const c_char,
    pub(crate) insert_destroy: unsafe extern "C" fn(InsertPointer),
    pub(crate) set_signal_handlers: unsafe extern "C" fn(c_int),
}

/// Copies one function's address out of the library.
macro_rules! symbol {
    ($library:expr, $name:literal) => {{
        // SAFETY: the name and the type it is assigned to are those of chdb.h; the library is never unloaded.
        unsafe { *$library.get($name)? }
    }};
}

impl Symbols {
    /// Opens the library at `path` for the rest of the process's life and looks up every function.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        // SAFETY: the library's initialisers expect nothing but a glibc process.
        let library = unsafe { Library::new(path)? };
        let symbols = Self {
            connect: symbol!(library, b"chdb_connect\0"),
            close: symbol!(library, b"chdb_close_conn\0"),
            query: symbol!(library, b"chdb_query_with_params_n\0"),
            stream_query: symbol!(library, b"chdb_stream_query_with_params_n\0"),
            stream_fetch: symbol!(library, b"chdb_stream_fetch_result\0"),
            stream_cancel: symbol!(library, b"chdb_stream_cancel_query\0"),
            destroy_result: symbol!(library, b"chdb_destroy_query_result\0"),
            result_buffer: symbol!(library, b"chdb_result_buffer\0"),
            result_length: symbol!(library, b"chdb_result_length\0"),
            result_error: symbol!(library, b"chdb_result_error\0"),
            result_rows: symbol!(library, b"chdb_result_rows_read\0"),
            result_storage_rows: symbol!(library, b"chdb_result_storage_rows_read\0"),
            result_storage_bytes: symbol!(library, b"chdb_result_storage_bytes_read\0"),
            result_rows_written: symbol!(library, b"chdb_result_rows_written\0"),
            result_bytes_written: symbol!(library, b"chdb_result_bytes_written\0"),
            insert_begin: symbol!(library, b"chdb_stream_insert_with_params_n\0"),
            insert_append: symbol!(library, b"chdb_stream_append\0"),
            insert_done: symbol!(library, b"chdb_stream_done\0"),
            insert_cancel: symbol!(library, b"chdb_stream_cancel_insert\0"),
            insert_error: symbol!(library, b"chdb_stream_insert_error\0"),
            insert_destroy: symbol!(library, b"chdb_destroy_insert_stream\0"),
            set_signal_handlers: symbol!(library, b"chdb_set_signal_handlers_enabled\0"),
        };
        // Dropping `library` would unmap code that the engine's threads still run.
        std::mem::forget(library);
        Ok(symbols)
    }
}

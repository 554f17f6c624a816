//! The embedded ClickHouse engine: `libchdb.so` behind ClickHouse's HTTP protocol.
//!
//! One process opens one data directory ([`Engine::start`]) and answers on one address, by default on loopback, so that
//! the sink, an analyst's client and the tests all speak to it exactly as they speak to a ClickHouse server.
//!
//! Limits, before anything else:
//! - one engine per process and one process per directory (the library keeps its state in globals);
//! - no TCP protocol, no sessions (`session_id` is accepted and ignored), no external tables, no `INSERT ... SELECT FROM input()`;
//! - formats that are a document and not a list of rows (`JSON`, `Parquet`, `Arrow`, ...) are answered from memory and bounded by
//!   [`Limits::max_buffered_result_bytes`]; row formats stream without a bound;
//! - responses are compressed only when the client asks for `compress=1` (LZ4 blocks).
//!
//! `docs` for the operator: `engine/README.md`.

mod admission;
mod auth;
mod body;
mod connection;
mod content_encoding;
mod core;
mod directory_lock;
mod error;
mod exception;
mod execution;
mod ffi;
#[cfg(fuzzing)]
pub mod fuzz;
mod handle;
mod http;
mod keeper;
mod library;
mod memory;
mod multipart;
mod native_compression;
mod native_revision;
mod options;
mod output_format;
mod request;
mod response;
mod server;
mod statement;
mod tokens;

pub use error::EngineError;
pub use handle::{Engine, EngineHandle};
pub use library::{LIBRARY_VARIABLE, LIBRARY_VERSION, find_library};
pub use memory::{MemoryLimits, resident_memory_bytes};
pub use options::{Credentials, EngineOptions, Limits};

//! What can go wrong with ClickHouse.

use std::error::Error as _;
use std::path::PathBuf;

use super::fault::{Fault, code_in, fault_of, remedy};
use super::views::ViewError;

/// An error with whose fault it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClickHouseError {
    /// The configuration cannot be used.
    #[error("clickhouse.{key}: {problem}")]
    Option {
        /// Which key.
        key: &'static str,
        /// What is wrong with its value, and what helps.
        problem: String,
    },
    /// The file of certificate authorities cannot be used.
    #[error("clickhouse.ca_file {path}: {problem}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// No answer: refused, reset, not resolved.
    #[error("clickhouse at {url} cannot be reached: {cause}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        cause: String,
    },
    /// Its certificate is not trusted, or there is no TLS.
    #[error(
        "clickhouse at {url}: no TLS connection: {cause}; check that clickhouse.ca_file (PEM; empty: the system's) holds its certificate's authority, \
         and that clickhouse.url names the host as its certificate does"
    )]
    Untrusted {
        /// Where.
        url: String,
        /// Why.
        cause: String,
    },
    /// No answer in time.
    #[error("clickhouse at {url} did not answer in time")]
    TimedOut {
        /// Where.
        url: String,
    },
    /// The server refused.
    #[error("clickhouse at {url} answered: {message}{}", remedy(*.code))]
    Server {
        /// Where.
        url: String,
        /// Its error code, when it gave one.
        code: Option<u32>,
        /// What it said.
        message: String,
    },
    /// More than is wanted in memory.
    #[error("the result is larger than {limit} bytes: ask for less")]
    ResultTooLarge {
        /// `max_result_bytes`
        limit: usize,
    },
    /// A newer program has been here.
    #[error(
        "database {database} is at migration {found}, this program knows {known}: run the version of cost-rhythm that migrated it, or a newer one"
    )]
    NewerDatabase {
        /// Which database.
        database: String,
        /// Its last migration.
        found: u32,
        /// The last one of this program.
        known: u32,
    },
    /// A migration in the program differs from the one that was run.
    #[error("database {database}: migration {version} was changed after it had run here: an applied migration is never edited")]
    ChangedMigration {
        /// Which database.
        database: String,
        /// Which migration.
        version: u32,
    },
    /// A grouping set that cannot have views.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl ClickHouseError {
    /// Whether trying again helps.
    pub fn fault(&self) -> Fault {
        match self {
            // Certificates are renewed while we run, so one that is not trusted may be tomorrow.
            Self::Unreachable { .. } | Self::Untrusted { .. } | Self::TimedOut { .. } => Fault::Passing,
            Self::Server { code, .. } => fault_of(*code),
            _ => Fault::Lasting,
        }
    }

    /// The server's error code.
    pub fn code(&self) -> Option<u32> {
        if let Self::Server { code, .. } = self { *code } else { None }
    }

    pub(crate) fn from_client(url: &str, error: &clickhouse::error::Error) -> Self {
        use clickhouse::error::Error;
        let url = url.to_owned();
        match error {
            Error::BadResponse(message) => {
                let message = message.split(" (version ").next().unwrap_or(message).trim().to_owned();
                Self::Server { url, code: code_in(&message), message }
            }
            Error::TimedOut => Self::TimedOut { url },
            other if is_tls(other) => Self::Untrusted { url, cause: with_sources(other) },
            other => Self::Unreachable { url, cause: with_sources(other) },
        }
    }
}

/// Does an error of TLS stand behind it?
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    // An `io::Error` does not show what it wraps as its source.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.map_or_else(|| error.source().is_some_and(is_tls), |wrapped| is_tls(wrapped))
}

/// An error and what caused it, on one line.
fn with_sources(error: &clickhouse::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

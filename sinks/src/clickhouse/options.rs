//! What an operator can choose about ClickHouse, with every default in one place.

use std::path::PathBuf;
use std::time::Duration;

use schemas::Secret;

/// Compression of what is sent to the server and read from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None: best on one machine or a fast network.
    #[default]
    Off,
    /// LZ4 blocks.
    Lz4,
}

/// Where the server is and how to speak to it.
#[derive(Clone, Debug)]
pub struct ClickHouseOptions {
    /// HTTP interface: `http://host:8123` or `https://host:8443`, without user, password or path.
    pub url: String,
    /// Database of all tables; created by the migrations when missing.
    pub database: String,
    /// User.
    pub user: String,
    /// Its password; empty: none.
    pub password: Secret,
    /// PEM file of the certificate authorities to trust; `None`: those of the system.
    pub tls_ca_file: Option<PathBuf>,
    /// See [`Compression`].
    pub compression: Compression,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the server may take to accept a piece of an insert.
    pub send_timeout: Duration,
    /// How long the server may take to answer a statement, or an insert after its last piece.
    pub answer_timeout: Duration,
    /// Largest result of [`super::ClickHouse::query_rows`], in bytes.
    pub max_result_bytes: usize,
}

impl Default for ClickHouseOptions {
    fn default() -> Self {
        ClickHouseOptions {
            url: "http://127.0.0.1:8123".to_owned(),
            database: "cost_rhythm".to_owned(),
            user: "default".to_owned(),
            password: Secret::default(),
            tls_ca_file: None,
            compression: Compression::Off,
            connect_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(120),
            max_result_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Bounds and times of the writer.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Most rows of one insert (one submitted batch is never split).
    pub max_batch_rows: u64,
    /// Most bytes of one insert (one submitted batch is never split).
    pub max_batch_bytes: u64,
    /// How long rows may wait for others to share an insert with.
    pub linger: Duration,
    /// Bytes that may wait or be under way, over all drivers; beyond, `submit` says `Full`.
    pub max_queue_bytes: u64,
    /// Pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// Longest pause between attempts.
    pub longest_pause: Duration,
}

impl Default for SinkOptions {
    fn default() -> Self {
        SinkOptions {
            max_batch_rows: 100_000,
            max_batch_bytes: 32 * 1024 * 1024,
            linger: Duration::from_millis(100),
            max_queue_bytes: 256 * 1024 * 1024,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let options = ClickHouseOptions { password: Secret::new("hunter2"), ..ClickHouseOptions::default() };
        assert!(!format!("{options:?} {options:#?}").contains("hunter2"));
    }
}

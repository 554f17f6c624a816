//! Statements, queries and inserts, with typed errors.

use bytes::Bytes;
use clickhouse::Client;
use clickhouse::query::Query;
use runtime::io::Table;
use tokio::time::timeout;

use super::connector;
use super::error::ClickHouseError;
use super::options::{ClickHouseOptions, Compression};
use super::rows::{columns, table_name};

/// A server and a database on it. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct ClickHouse {
    client: Client,
    options: ClickHouseOptions,
}

impl std::fmt::Debug for ClickHouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickHouse").field("options", &self.options).finish_non_exhaustive()
    }
}

impl ClickHouse {
    /// Checks the options; connects at the first request.
    ///
    /// # Errors
    /// [`ClickHouseError::Option`], [`ClickHouseError::CaFile`]
    pub fn new(options: ClickHouseOptions) -> Result<Self, ClickHouseError> {
        check(&options)?;
        let compression = match options.compression {
            Compression::Off => clickhouse::Compression::None,
            Compression::Lz4 => clickhouse::Compression::Lz4,
        };
        let mut client = connector::client(&options)?
            .with_url(&options.url)
            .with_database(&options.database)
            .with_user(&options.user)
            .with_compression(compression)
            .with_product_info("cost-rhythm", env!("CARGO_PKG_VERSION"));
        if !options.password.is_empty() {
            client = client.with_password(options.password.reveal());
        }
        Ok(ClickHouse { client, options })
    }

    /// The client below, with user, password and authorities: for readers with settings of their own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The database of all tables.
    pub fn database(&self) -> &str {
        &self.options.database
    }

    /// Is the server there, and does it take user, password and database?
    ///
    /// # Errors
    /// [`ClickHouseError`]
    pub async fn ping(&self) -> Result<(), ClickHouseError> {
        self.query_rows("SELECT 1", "TabSeparated").await.map(|_| ())
    }

    /// The result of a query as text in a format of ClickHouse's (`TabSeparated`, `JSONEachRow`, ...).
    ///
    /// # Errors
    /// [`ClickHouseError`]
    pub async fn query_rows(&self, sql: &str, format: &str) -> Result<String, ClickHouseError> {
        let query = self.client.query_raw(sql);
        let limit = self.options.max_result_bytes;
        let read = async {
            let mut cursor = query.fetch_bytes(format).map_err(|error| self.error(&error))?;
            let mut bytes = Vec::new();
            while let Some(chunk) = cursor.next().await.map_err(|error| self.error(&error))? {
                if bytes.len() + chunk.len() > limit {
                    return Err(ClickHouseError::ResultTooLarge { limit });
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        timeout(self.options.answer_timeout, read).await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// Runs one statement without a result.
    ///
    /// # Errors
    /// [`ClickHouseError`]
    pub async fn execute(&self, sql: &str) -> Result<(), ClickHouseError> {
        self.run(self.client.query_raw(sql)).await
    }

    /// Like [`Self::execute`], without naming the database: it may not be there yet.
    pub(crate) async fn execute_outside(&self, sql: &str) -> Result<(), ClickHouseError> {
        self.run(self.client.clone().with_database("default").query_raw(sql)).await
    }

    async fn run(&self, query: Query) -> Result<(), ClickHouseError> {
        let done = timeout(self.options.answer_timeout, query.execute()).await;
        done.map_err(|_| self.timed_out())?.map_err(|error| self.error(&error))
    }

    /// Inserts rows and waits until they are durable. The same `token` again within the server's deduplication window
    /// changes nothing.
    pub(crate) async fn insert(&self, table: Table, pieces: &[Bytes], token: &str) -> Result<(), ClickHouseError> {
        let names: Vec<String> = columns(table).iter().map(|(name, _)| format!("`{name}`")).collect();
        let sql = format!("INSERT INTO {} ({}) FORMAT Native", table_name(table), names.join(", "));
        let mut insert = self
            .client
            .insert_formatted_with(sql)
            .with_setting("insert_deduplication_token", token)
            .with_setting("async_insert", "0")
            // Rows per event hardly ever repeat within an insert, and looking for repeats takes longer than all else. Those of the other tables do.
            .with_setting("optimize_on_insert", if table == Table::UsageEvents { "0" } else { "1" })
            // One batch may reach back over many months (a backfill): no reason to refuse it for ever with code 252.
            .with_setting("max_partitions_per_insert_block", "0")
            .with_timeouts(Some(self.options.send_timeout), Some(self.options.answer_timeout));
        for piece in pieces {
            insert.send(piece.clone()).await.map_err(|error| self.error(&error))?;
        }
        insert.end().await.map_err(|error| self.error(&error))
    }

    fn error(&self, error: &clickhouse::error::Error) -> ClickHouseError {
        ClickHouseError::from_client(&self.options.url, error)
    }

    fn timed_out(&self) -> ClickHouseError {
        ClickHouseError::TimedOut { url: self.options.url.clone() }
    }
}

fn check(options: &ClickHouseOptions) -> Result<(), ClickHouseError> {
    let url = &options.url;
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let problem = match host {
        // The URL stands in messages, so nothing of a wrong one is repeated here: it may hold a password.
        Some(host) if host.contains('@') => Some("has a user or password in it: use `user` and `password`"),
        Some(host) if host.trim_end_matches('/').is_empty() || host.contains(['?', '#', ' ']) => {
            Some("expected http://host:port or https://host:port")
        }
        Some(_) => None,
        None => Some("expected http://host:port or https://host:port"),
    };
    if let Some(problem) = problem {
        return Err(ClickHouseError::Option { key: "url", problem: problem.to_owned() });
    }
    let plain = options.database.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || options.database.is_empty() || options.database.len() > 64 {
        let problem = format!("{:?} is no name of 1 to 64 letters, digits and _", options.database);
        return Err(ClickHouseError::Option { key: "database", problem });
    }
    Ok(())
}

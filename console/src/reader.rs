//! Reads from ClickHouse: bounded in time, rows, bytes and number at once, with server-side parameters, and never anything but reading.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clickhouse::error::Error as ClientError;
use serde_json::{Map, Value, json};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use crate::problem::{BUSY, Problem, REFUSED, TOO_SLOW, UNREACHABLE};

/// How ClickHouse is reached.
#[derive(Clone)]
pub struct ClickHouseAccess {
    /// With URL, user, password and authorities.
    pub client: clickhouse::Client,
    /// Its URL, for what people are told.
    pub url: String,
    /// Database of all views.
    pub database: String,
}

/// The reader cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// It stands in the text of questions.
    #[error("clickhouse.database = {0:?}: expected 1 to 64 letters, digits and _")]
    Database(String),
}

/// Questions under way at once. The pipeline writes to the same server: readers of a page must not crowd it out.
const MAX_AT_ONCE: usize = 4;
/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(4);
/// How long the server may work on one.
const WORK_SECONDS: &str = "8";
/// The same and the way there and back.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the client of a reader may take to connect.
pub const CONNECT: Duration = Duration::from_secs(2);
/// Rows of one answer; every question asks for less.
const MAX_ROWS: &str = "5000";
const MAX_BYTES: usize = 16 << 20;
/// How old an answer may be for another asker.
const FRESH: Duration = Duration::from_secs(1);
/// Answers that are kept so long.
const MAX_RECENT: usize = 64;

/// A question: a statement with `{name:Type}` and the values of those names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) sql: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Question {
    /// Without parameters so far.
    pub(crate) fn of(sql: String) -> Self {
        Question { sql, parameters: BTreeMap::new() }
    }

    /// Sets a parameter.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.parameters.insert(name.into(), value.into());
    }

    /// As an answer shows it, so that the reader can ask the same.
    pub(crate) fn shown(&self, name: &str) -> Value {
        json!({ "name": name, "sql": self.sql, "parameters": self.parameters })
    }
}

/// A row of an answer.
pub(crate) type Row = Map<String, Value>;

/// An answer that is there or under way.
type Place = Arc<OnceCell<Result<Vec<Row>, Problem>>>;

/// Answers of the last moment.
#[derive(Default)]
struct Recent(Mutex<HashMap<Question, (Instant, Place)>>);

impl Recent {
    /// The place of an answer to this very question; none when there are too many of them.
    fn place(&self, question: &Question) -> Option<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, (asked, _)| asked.elapsed() < FRESH);
        if let Some((_, place)) = places.get(question) {
            return Some(Arc::clone(place));
        }
        let place = Place::default();
        let has_room = places.len() < MAX_RECENT;
        has_room.then(|| {
            places.insert(question.clone(), (Instant::now(), Arc::clone(&place)));
            place
        })
    }
}

/// See the module's documentation.
#[derive(Clone)]
pub(crate) struct Reader {
    client: clickhouse::Client,
    url: String,
    database: String,
    turns: Arc<Semaphore>,
    recent: Arc<Recent>,
}

impl Reader {
    pub(crate) fn new(access: &ClickHouseAccess) -> Result<Self, ReaderError> {
        let database = access.database.clone();
        if database.is_empty() || database.len() > 64 || !database.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(ReaderError::Database(database));
        }
        let client = access
            .client
            .clone()
            .with_database(&database)
            .with_product_info("cost-rhythm-console", env!("CARGO_PKG_VERSION"))
            .with_setting("readonly", "2")
            .with_setting("max_execution_time", WORK_SECONDS)
            .with_setting("max_result_rows", MAX_ROWS)
            .with_setting("result_overflow_mode", "throw")
            // A fault in the middle of an answer is then an answer of its own.
            .with_setting("wait_end_of_query", "1")
            .with_setting("date_time_output_format", "iso")
            .with_setting("output_format_json_quote_64bit_integers", "0");
        Ok(Reader { client, url: access.url.clone(), database, turns: Arc::new(Semaphore::new(MAX_AT_ONCE)), recent: Arc::default() })
    }

    /// The database, for the text of questions.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// The rows of the answer, which may be a second old: pages that were told of the same change ask the same questions at once.
    pub(crate) async fn rows(&self, question: &Question) -> Result<Vec<Row>, Problem> {
        match self.recent.place(question) {
            Some(place) => place.get_or_init(|| self.rows_now(question)).await.clone(),
            None => self.rows_now(question).await,
        }
    }

    /// The rows as they are now.
    pub(crate) async fn rows_now(&self, question: &Question) -> Result<Vec<Row>, Problem> {
        let Ok(Ok(_turn)) = timeout(TURN, self.turns.acquire()).await else {
            let detail = format!("{MAX_AT_ONCE} questions are being answered, and none of them ended within {} s", TURN.as_secs());
            return Err(Problem::new(BUSY, detail, "ask again in a moment"));
        };
        let text = timeout(ANSWER, self.text(question)).await.unwrap_or_else(|_| Err(self.too_slow()))?;
        let rows: Result<Vec<Row>, _> = text.lines().map(serde_json::from_str).collect();
        rows.map_err(|error| Problem::new(REFUSED, format!("the answer is no JSON: {error}"), "report it with this text"))
    }

    /// The one row of an answer that always has one.
    pub(crate) async fn row(&self, question: &Question) -> Result<Row, Problem> {
        let rows = self.rows(question).await?;
        rows.into_iter().next().ok_or_else(|| Problem::new(REFUSED, "the answer has no row", "report it with this text"))
    }

    async fn text(&self, question: &Question) -> Result<String, Problem> {
        let mut query = self.client.query_raw(&question.sql);
        for (name, value) in &question.parameters {
            query = query.param(name, value.as_str());
        }
        let mut cursor = query.fetch_bytes("JSONEachRow").map_err(|error| self.problem(&error))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = cursor.next().await.map_err(|error| self.problem(&error))? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(Problem::new(
                    TOO_SLOW,
                    format!("the answer has more than {} MiB", MAX_BYTES >> 20),
                    "ask for less: a smaller limit",
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn too_slow(&self) -> Problem {
        let detail = format!("{} has not answered within {} s", self.url, ANSWER.as_secs());
        Problem::new(TOO_SLOW, detail, "ask for less (a shorter range, a coarser granularity), or look at ClickHouse")
    }

    fn problem(&self, error: &ClientError) -> Problem {
        let text = match error {
            ClientError::TimedOut => return self.too_slow(),
            ClientError::BadResponse(text) => text,
            other => {
                let mut reason = other.to_string();
                let mut cause = std::error::Error::source(other);
                while let Some(inner) = cause {
                    reason = format!("{reason}: {inner}");
                    cause = inner.source();
                }
                let remedy = "the pipeline goes on and keeps its rows; look at ClickHouse and at clickhouse.url";
                return Problem::new(UNREACHABLE, format!("{}: {reason}", self.url), remedy);
            }
        };
        const TIMEOUT_EXCEEDED: &str = "Code: 159";
        // Too many queries at once, or too many bytes in memory: passes.
        const CROWDED: [&str; 3] = ["Code: 202", "Code: 241", "Code: 252"];
        if text.contains(TIMEOUT_EXCEEDED) {
            return self.too_slow();
        }
        if CROWDED.iter().any(|code| text.contains(code)) {
            return Problem::new(BUSY, text.clone(), "ask again in a moment");
        }
        Problem::new(REFUSED, text.clone(), "the text has ClickHouse's reason: rights of clickhouse.username, or tables of another version")
    }
}

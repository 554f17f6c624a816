//! `/api/v1/stream`: server-sent events that say what has changed, so that a page asks anew only then.
//!
//! One watcher asks ClickHouse for a few marks while anybody listens; every listener hears of its findings. `changed` names what changed, `heartbeat` says
//! that the connection lives and whether ClickHouse answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::Console;
use crate::parameters::Parameters;
use crate::problem::{Problem, TOO_MANY_STREAMS};
use crate::reader::{Question, Row};
use crate::time;

/// Listeners at once.
pub(crate) const MAX_LISTENERS: usize = 64;
/// Between two looks at the marks.
const LOOK: Duration = Duration::from_secs(1);
/// The longest silence.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What the watcher has found.
#[derive(Clone, Debug, Default)]
struct Found {
    /// Grows with every change.
    number: u64,
    /// What changed last.
    topics: Vec<&'static str>,
    is_clickhouse_reachable: bool,
}

/// Who listens, and what they hear.
pub(crate) struct Stream {
    found: watch::Sender<Found>,
    listeners: Arc<AtomicUsize>,
    is_watched: std::sync::atomic::AtomicBool,
}

impl Stream {
    pub(crate) fn new() -> Self {
        let first = Found { is_clickhouse_reachable: true, ..Found::default() };
        Stream { found: watch::Sender::new(first), listeners: Arc::default(), is_watched: false.into() }
    }
}

/// Counts a listener for as long as it lives.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(listeners: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = listeners.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| (count < MAX_LISTENERS).then_some(count + 1));
        taken.ok().map(|_| Seat(Arc::clone(listeners)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Console {
    pub(crate) async fn stream(self: &Arc<Self>, query: Option<&str>) -> Result<Response<Body>, Problem> {
        Parameters::read("/api/v1/stream", query, [])?;
        let Some(seat) = Seat::take(&self.stream.listeners) else {
            let remedy = "close some of the pages; the other routes answer without a live connection";
            return Err(Problem::new(TOO_MANY_STREAMS, format!("{MAX_LISTENERS} live connections are open"), remedy));
        };
        self.watch();
        let mut found = self.stream.found.subscribe();
        found.mark_unchanged();
        let greeting = event("hello", &json!({ "at": time::rfc3339(time::now()), "version": env!("CARGO_PKG_VERSION") }));
        let events = stream::unfold((Some(greeting), found, seat), |(greeting, mut found, seat)| async move {
            let text = match greeting {
                Some(text) => text,
                None => match timeout(HEARTBEAT, found.changed()).await {
                    Ok(Ok(())) => told("changed", &found.borrow_and_update().clone()),
                    Ok(Err(_)) => return None,
                    Err(_) => told("heartbeat", &found.borrow().clone()),
                },
            };
            Some((Ok::<Bytes, std::convert::Infallible>(Bytes::from(text)), (None, found, seat)))
        });
        let mut response = Response::new(Body::from_stream(events));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        Ok(response)
    }

    /// Starts the watcher unless there is one. It ends when nobody has listened for a heartbeat.
    fn watch(self: &Arc<Self>) {
        if self.stream.is_watched.swap(true, Ordering::SeqCst) {
            return;
        }
        let console = Arc::clone(self);
        tokio::spawn(async move {
            let question = console.marks();
            let mut before: Option<Row> = None;
            loop {
                let mut listened_at = Instant::now();
                while listened_at.elapsed() < HEARTBEAT {
                    if console.stream.listeners.load(Ordering::SeqCst) > 0 {
                        listened_at = Instant::now();
                        let marks = console.reader.rows_now(&question).await.ok().and_then(|rows| rows.into_iter().next());
                        console.tell(before.as_ref(), marks.as_ref());
                        before = marks.or(before);
                    }
                    tokio::time::sleep(LOOK).await;
                }
                console.stream.is_watched.store(false, Ordering::SeqCst);
                // Somebody who came in between has found a watcher and started none.
                if console.stream.listeners.load(Ordering::SeqCst) == 0 || console.stream.is_watched.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
        });
    }

    fn tell(&self, before: Option<&Row>, marks: Option<&Row>) {
        let topics: Vec<&'static str> = match (before, marks) {
            (Some(before), Some(marks)) => TOPICS.into_iter().filter(|topic| before.get(*topic) != marks.get(*topic)).collect(),
            _ => Vec::new(),
        };
        self.stream.found.send_if_modified(|found| {
            let is_news = !topics.is_empty() || found.is_clickhouse_reachable != marks.is_some();
            if is_news {
                *found = Found { number: found.number + 1, topics, is_clickhouse_reachable: marks.is_some() };
            }
            is_news
        });
    }

    fn marks(&self) -> Question {
        let database = self.reader.database();
        // Tables, not views: a repeated row only means that a page asks once too often.
        Question::of(format!(
            "SELECT (SELECT concat(toString(sum(revision)), ' ', toString(sum(events))) FROM {database}.rollups WHERE granularity = 'quarter_hour' AND `set` = 'total' AND window_start > now() - INTERVAL 36 DAY) AS spend,\n\
             (SELECT toString(count()) FROM {database}.alert_rows) AS alerts, (SELECT toString(max(revision)) FROM {database}.budget_rows) AS budgets,\n\
             (SELECT toString(max(hour)) FROM {database}.rhythm_rows) AS rhythm"
        ))
    }
}

const TOPICS: [&str; 4] = ["spend", "alerts", "budgets", "rhythm"];

fn told(name: &str, found: &Found) -> String {
    let data = json!({
        "at": time::rfc3339(time::now()), "number": found.number, "topics": found.topics, "is_clickhouse_reachable": found.is_clickhouse_reachable,
    });
    event(name, &data)
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_seats_and_a_left_one_is_free_again() {
        let listeners = Arc::default();
        let mut seats: Vec<Seat> = (0..MAX_LISTENERS).map(|_| Seat::take(&listeners).unwrap()).collect();
        assert!(Seat::take(&listeners).is_none());
        seats.pop();
        assert!(Seat::take(&listeners).is_some());
    }
}

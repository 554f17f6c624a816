//! `POST /api/v1/events`: the one route that writes, for producers without a Kafka client and for a first event by hand. There only when it is switched on.
//!
//! A body is judged as a whole before any of it is sent, and answered when all of it is in the log. Whoever gets no 202 sends the same body again: what has
//! come through is recognised by its identity, as every repeat is.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::future::BoxFuture;
use schemas::{Reason, Rejection, Secret};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Console;
use crate::problem::{BUSY, CUT_SHORT, MEDIA_TYPE, NO_TOKEN, NOT_AN_EVENT, NOT_TAKEN, OVERSIZED, Problem};

/// The route.
pub(crate) const ROUTE: &str = "/api/v1/events";
/// The largest body.
const MAX_BODY: usize = 8 << 20;
/// Bodies that are taken at once.
const SEATS: usize = 16;
/// How long a body may take to come, and how long to be in the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to the topic of events.
pub trait EventDoor: Send + Sync {
    /// Judges one event as the pipeline will, and says under which key it is sent.
    ///
    /// # Errors
    /// What is wrong with it.
    fn key_of(&self, event: &[u8]) -> Result<String, Rejection>;

    /// Sends events under their keys; ready when all of them are in the log, or with the reason why some may not be.
    fn send(&self, events: Vec<(String, Bytes)>) -> BoxFuture<'_, Result<(), NotSent>>;
}

/// Why events are not all in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The topic takes no event as large as one of these.
    TooLarge(String),
    /// No answer, or another failure that may pass.
    Unheard(String),
}

/// The route's parts.
pub struct IntakeOptions {
    /// Where events go.
    pub door: Box<dyn EventDoor>,
    /// What a producer must show; empty: nothing.
    pub token: Secret,
}

pub(crate) struct Intake {
    door: Box<dyn EventDoor>,
    token: Secret,
    seats: Semaphore,
}

impl Intake {
    pub(crate) fn new(options: IntakeOptions) -> Self {
        Intake { door: options.door, token: options.token, seats: Semaphore::new(SEATS) }
    }

    /// Then it does not matter under which name we are asked: a page of another site has no token.
    pub(crate) fn asks_for_token(&self) -> bool {
        !self.token.is_empty()
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map_or("", |(_, token)| token);
        if !self.asks_for_token() || is_same(shown.trim().as_bytes(), self.token.reveal().as_bytes()) {
            return Ok(());
        }
        let detail = if shown.is_empty() { "no token is shown" } else { "the token shown is another one" };
        Err(Problem::new(NO_TOKEN, detail, "send the header `Authorization: Bearer TOKEN` with the token of http.events_token"))
    }

    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<usize, Problem> {
        self.check_token(headers)?;
        let has_lines = has_lines(headers)?;
        let Ok(_seat) = self.seats.try_acquire() else {
            return Err(Problem::new(BUSY, format!("{SEATS} bodies are being taken already"), "send it again after Retry-After"));
        };
        let body = read(headers, body).await?;
        let mut events = Vec::new();
        for (line, event) in pieces(&body, has_lines) {
            let is_object = event.trim_ascii_start().first() == Some(&b'{');
            let other = || Rejection::new(Reason::NotAnObject, "it does not begin with `{`; send one event as a JSON object");
            let key = if is_object { self.door.key_of(&event) } else { Err(other()) };
            let key = key.map_err(|rejection| not_an_event(&rejection, line))?;
            events.push((key, event));
        }
        if events.is_empty() {
            return Err(Problem::new(NOT_AN_EVENT, "the body has no event", "send one JSON object, or one on each line"));
        }
        let count = events.len();
        let unheard = |_| Err(NotSent::Unheard("no broker has acknowledged it".to_owned()));
        match timeout(PATIENCE, self.door.send(events)).await.unwrap_or_else(unheard) {
            Ok(()) => Ok(count),
            Err(NotSent::Unheard(reason)) => {
                Err(Problem::new(NOT_TAKEN, reason, "send the whole body again: what has come through counts once"))
            }
            Err(NotSent::TooLarge(reason)) => {
                let remedy = "sending it again does not help: make the event smaller, or the topic's max.message.bytes larger; what has come through counts once";
                Err(Problem::new(OVERSIZED, reason, remedy))
            }
        }
    }
}

impl Console {
    pub(crate) async fn take_events(&self, headers: &HeaderMap, body: Body) -> Response<Body> {
        let Some(intake) = &self.intake else { return crate::no_route().await };
        match intake.take(headers, body).await {
            Ok(accepted) => {
                let mut response = crate::answer(Ok(json!({ "accepted": accepted })));
                *response.status_mut() = StatusCode::ACCEPTED;
                response
            }
            Err(problem) => problem.into_response(),
        }
    }
}

/// As long for every token of this length.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    shown.len() == token.len() && shown.iter().zip(token).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Is there an event on each line, or is the body one? A form of a page of another site can be neither.
fn has_lines(headers: &HeaderMap) -> Result<bool, Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if headers.contains_key("ce-specversion") {
        let remedy = "send the CloudEvent in structured mode: application/cloudevents+json, attributes and data in one object";
        return Err(Problem::new(MEDIA_TYPE, "a CloudEvent in binary mode", remedy).blaming("ce-specversion", "present"));
    }
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let problem = Problem::new(MEDIA_TYPE, "the body is encoded", "send it as it is, without Content-Encoding");
        return Err(problem.blaming("Content-Encoding", &String::from_utf8_lossy(encoding.as_bytes())));
    }
    match sent.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "application/json" | "application/cloudevents+json" => Ok(false),
        "application/x-ndjson" | "application/jsonl" => Ok(true),
        _ => {
            let remedy = "send application/json or application/cloudevents+json for one event, application/x-ndjson for one on each line";
            Err(Problem::new(MEDIA_TYPE, "the body's type is not one of an event", remedy).blaming("Content-Type", sent))
        }
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let refused = |detail: String| Problem::new(OVERSIZED, detail, "send fewer events in one body");
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if let Some(length) = announced.filter(|length| *length > MAX_BODY) {
        return Err(refused(format!("the body has {length} bytes, at most {MAX_BODY} are taken")));
    }
    match timeout(PATIENCE, axum::body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_over_limit(&error) => Err(refused(format!("the body has more than {MAX_BODY} bytes"))),
        Ok(Err(error)) => Err(Problem::new(CUT_SHORT, error.to_string(), "send it again")),
        Err(_) => {
            Err(Problem::new(CUT_SHORT, format!("its end has not come within {} s", PATIENCE.as_secs()), "send it again, or in parts"))
        }
    }
}

fn is_over_limit(error: &axum::Error) -> bool {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.any(|error| error.to_string().contains("length limit"))
}

/// The events of a body and the lines on which they stand, from 1; the one event of a body without lines has none.
fn pieces(body: &Bytes, has_lines: bool) -> Vec<(Option<usize>, Bytes)> {
    if !has_lines {
        return vec![(None, body.clone())];
    }
    let lines = body.split(|b| *b == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    lines.map(|(line, number)| (Some(number), body.slice_ref(line))).collect()
}

fn not_an_event(rejection: &Rejection, line: Option<usize>) -> Problem {
    let problem = Problem::new(NOT_AN_EVENT, rejection.to_string(), "correct it and send the whole body again: nothing of it was taken");
    match line {
        Some(line) => problem.blaming("line", &line.to_string()),
        None => problem,
    }
}

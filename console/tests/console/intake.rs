//! Events by HTTP: what is let in, what is refused, and that nothing is where it was not switched on. Where they go from here is tested with a real broker
//! in the workspace's `tests/first_event.rs`.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use console::{EventDoor, INTAKE_ROUTE, IntakeOptions, NotSent};
use futures_util::future::{BoxFuture, FutureExt};
use schemas::{Reason, Rejection, Secret};

use crate::engine_process::shared;
use crate::filling::DATABASE;
use crate::server::{Server, options};

const JSON: &str = "Content-Type: application/json\r\n";
const LINES: &str = "Content-Type: application/x-ndjson; charset=utf-8\r\n";

/// Takes everything but `{bad`, as its own key; `{down` finds no broker, `{large` is too large for the topic.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl EventDoor for Log {
    fn key_of(&self, event: &[u8]) -> Result<String, Rejection> {
        let text = String::from_utf8_lossy(event).trim().to_owned();
        (!text.starts_with("{bad")).then_some(text).ok_or_else(|| Rejection::new(Reason::MissingField, "field source"))
    }

    fn send(&self, events: Vec<(String, Bytes)>) -> BoxFuture<'_, Result<(), NotSent>> {
        let has = |beginning: &str| events.iter().any(|(key, _)| key.starts_with(beginning));
        let outcome = match (has("{down"), has("{large")) {
            (true, _) => Err(NotSent::Unheard("no broker".to_owned())),
            (_, true) => Err(NotSent::TooLarge("message too large".to_owned())),
            _ => Ok(()),
        };
        if outcome.is_ok() {
            self.0.lock().unwrap().extend(events.into_iter().map(|(key, _)| key));
        }
        std::future::ready(outcome).boxed()
    }
}

async fn server(token: &str) -> (Server, Log) {
    let log = Log::default();
    let intake = Some(IntakeOptions { door: Box::new(log.clone()), token: Secret::new(token) });
    (Server::start(console::ConsoleOptions { intake, ..options(shared().address, DATABASE) }).await, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_or_one_on_each_line_is_taken() {
    let (server, log) = server("").await;
    for (headers, body, accepted) in
        [(JSON, "{a}\n", 1), ("Content-Type: application/cloudevents+json; charset=UTF-8\r\n", "{b}", 1), (LINES, "{c}\r\n\n {d}\n{e}", 3)]
    {
        let (status, answer) = server.post(INTAKE_ROUTE, headers, body).await;
        assert_eq!((status, answer["accepted"].as_u64()), (202, Some(accepted)), "{answer}");
    }
    assert_eq!(*log.0.lock().unwrap(), ["{a}", "{b}", "{c}", "{d}", "{e}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_named_and_nothing_of_it_is_taken() {
    let (server, log) = server("").await;
    let cases = [
        (JSON, "7", 400, "CR-5008", "not_an_object"),
        (JSON, "{bad", 400, "CR-5008", "missing_field: field source"),
        (JSON, "{large", 413, "CR-5010", "max.message.bytes"),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "{a}", 415, "CR-5009", "gzip"),
        ("Content-Type: application/x-ndjson\r\nce-specversion: 1.0\r\n", "{a}", 415, "CR-5009", "structured mode"),
        (LINES, "{a}\n\n[]\n{b}", 400, "CR-5008", "\"value\":\"3\""),
        (LINES, "\n\n", 400, "CR-5008", "no event"),
        ("", "{a}", 415, "CR-5009", "Content-Type"),
        ("Content-Type: text/plain\r\n", "{a}", 415, "CR-5009", "text/plain"),
        ("Content-Type: application/x-www-form-urlencoded\r\n", "{a}", 415, "CR-5009", "application/x-ndjson"),
        ("Content-Type: application/json\r\nce-specversion: 1.0\r\n", "{a}", 415, "CR-5009", "structured mode"),
        (JSON, "{down", 503, "CR-5106", "no broker"),
        ("Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n", "{a}", 403, "CR-5007", "another site"),
        ("Content-Type: application/json\r\nHost: evil.example\r\n", "{a}", 403, "CR-5007", "evil.example"),
    ];
    for (headers, body, status, code, named) in cases {
        let (found, problem) = server.post(INTAKE_ROUTE, headers, body).await;
        let shown = &body[..body.len().min(20)];
        assert_eq!((found, problem["code"].as_str().unwrap()), (status, code), "{headers}{shown}: {problem}");
        assert!(problem.to_string().contains(named), "{headers}{shown}: {problem}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty());
    }
    // Before any of it is read, so that the answer comes through.
    let (status, _, body) = server.raw("POST", INTAKE_ROUTE, &format!("{JSON}Content-Length: 8388609\r\n")).await;
    assert!(status == 413 && body.contains("CR-5010") && body.contains("8388609"), "{body}");
    assert!(log.0.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_only_its_owners_are_let_in_under_any_name() {
    let (server, log) = server("s3cret").await;
    for authorization in ["", "Authorization: Bearer \r\n", "Authorization: Bearer s3cret0\r\n", "Authorization: Basic s3cret\r\n"] {
        let (status, problem) = server.post(INTAKE_ROUTE, &format!("{JSON}{authorization}"), "{a}").await;
        assert_eq!((status, problem["code"].as_str().unwrap()), (401, "CR-5011"), "{authorization}");
        assert!(!problem.to_string().contains("s3cret"), "{problem}");
    }
    for host in ["", "Host: cost-rhythm:8080\r\n"] {
        let (status, _) = server.post(INTAKE_ROUTE, &format!("{JSON}{host}Authorization: bearer s3cret\r\n"), "{a}").await;
        assert_eq!(status, 202, "{host}");
    }
    let (status, head, body) = server.raw("GET", INTAKE_ROUTE, "").await;
    assert!(status == 405 && head.contains("allow: POST") && body.contains("with POST"), "{head} {body}");
    // It opens this route alone.
    let (status, _, _) = server.raw("GET", "/api/v1/health", "Host: cost-rhythm:8080\r\nAuthorization: Bearer s3cret\r\n").await;
    assert_eq!((status, log.0.lock().unwrap().len()), (403, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_not_switched_on_the_way_to_do_so_is_said() {
    let server = Server::start(options(shared().address, DATABASE)).await;
    let (status, problem) = server.post(INTAKE_ROUTE, JSON, "{a}").await;
    assert_eq!((status, problem["code"].as_str().unwrap()), (405, "CR-5006"));
    assert!(problem["remedy"].as_str().unwrap().contains("http.accept_events"), "{problem}");
}

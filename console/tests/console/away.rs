//! ClickHouse away, silent or crowded: the page, its files and health answer, and every other question is refused in time.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Server, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_said_at_once() {
    // An address that was free a moment ago: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(options(address, "console")).await;
    let begun = Instant::now();
    for path in ["summary", "spend", "series", "budgets", "rhythm", "alerts", "alerts/abc", "catalog"] {
        let (status, head, body) = server.raw("GET", &format!("/api/v1/{path}"), "").await;
        assert!(status == 503 && body.contains("CR-5101") && head.contains("retry-after: 2"), "{path}: {head} {body}");
    }
    let health = server.get("/api/v1/health").await;
    assert_eq!((&health["is_clickhouse_reachable"], &health["accounts"]), (&Value::from(false), &Value::Null));
    assert_eq!(health["clickhouse_problem"]["code"], "CR-5101");
    for path in ["/", "/alerts/abc", "/assets/app.js", "/api/v1/openapi.json"] {
        assert_eq!(server.raw("GET", path, "").await.0, 200, "{path}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_holds_up_four_questions_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = std::sync::Arc::new(Server::start(options(silent.local_addr().unwrap(), "console")).await);
    let begun = Instant::now();
    let questions: Vec<_> = (0..6)
        .map(|number| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move {
                server.ask(&format!("/api/v1/budgets?limit={}", number + 1)).await.1["code"].as_str().unwrap().to_owned()
            })
        })
        .collect();
    let mut codes = Vec::new();
    for question in questions {
        codes.push(question.await.unwrap());
    }
    codes.sort();
    assert_eq!(codes, ["CR-5102", "CR-5102", "CR-5102", "CR-5102", "CR-5103", "CR-5103"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

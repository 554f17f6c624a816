//! What cannot be answered is said with a code, the parameter, its value and a remedy.

use serde_json::Value;

use crate::engine_process::shared;
use crate::filling::{DATABASE, filled};
use crate::server::{Server, options};

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_parameter_has_its_own_problem() {
    filled().await;
    let server = Server::start(options(shared().address, DATABASE)).await;
    let other = server.get("/api/v1/series?by=user&limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let other = format!("/api/v1/series?by=user&order=value&cursor={other}");
    let cases = [
        ("/api/v1/spend?colour=red", 400, "CR-5001", "colour", "red"),
        ("/api/v1/health?x=", 400, "CR-5001", "x", ""),
        ("/api/v1/spend?limit=0", 400, "CR-5002", "limit", "0"),
        ("/api/v1/spend?limit=2001", 400, "CR-5002", "limit", "2001"),
        ("/api/v1/alerts?limit=ten", 400, "CR-5002", "limit", "ten"),
        ("/api/v1/spend?by=tem", 400, "CR-5002", "by", "tem"),
        ("/api/v1/spend?by=budget:x", 400, "CR-5002", "by", "budget:x"),
        ("/api/v1/spend?granularity=week", 400, "CR-5002", "granularity", "week"),
        ("/api/v1/spend?zone=Mars/Olympus", 400, "CR-5002", "zone", "Mars/Olympus"),
        ("/api/v1/spend?from=yesterday", 400, "CR-5002", "from", "yesterday"),
        ("/api/v1/spend?to=9999-01-01", 400, "CR-5002", "to", "9999-01-01"),
        ("/api/v1/spend?order=name", 400, "CR-5002", "order", "name"),
        ("/api/v1/spend?currency=%27%3B--", 400, "CR-5002", "currency", "';--"),
        ("/api/v1/summary?source=files", 400, "CR-5002", "source", "files"),
        ("/api/v1/alerts?state=open", 400, "CR-5002", "state", "open"),
        ("/api/v1/alerts?open=1", 400, "CR-5002", "open", "1"),
        ("/api/v1/rhythm?state=resonant", 400, "CR-5002", "state", "resonant"),
        ("/api/v1/budgets?running=yes", 400, "CR-5002", "running", "yes"),
        ("/api/v1/spend?limit=5&limit=5", 400, "CR-5002", "limit", "5"),
        ("/api/v1/spend?from=2026-11-02&to=2026-11-01", 400, "CR-5003", "from", "2026-11-02"),
        ("/api/v1/spend?from=2020-01-01", 400, "CR-5003", "from", "2020-01-01"),
        ("/api/v1/spend?by=team&provider=openai", 400, "CR-5003", "provider", "openai"),
        ("/api/v1/spend?source=events&currency=KRW", 400, "CR-5003", "currency", "KRW"),
        ("/api/v1/spend?source=events&granularity=day&from=2026-01-01", 400, "CR-5003", "from", "2026-01-01"),
        ("/api/v1/series?cursor=AAAA", 400, "CR-5004", "cursor", "AAAA"),
        (&other, 400, "CR-5004", "cursor", other.rsplit('=').next().unwrap()),
        ("/api/v1/alerts/00ff", 404, "CR-5005", "id", "00ff"),
    ];
    for (path, status, code, parameter, value) in cases {
        let (found, problem) = server.ask(path).await;
        assert_eq!((found, problem["code"].as_str().unwrap()), (status, code), "{path}: {problem}");
        assert_eq!((problem["parameter"].as_str().unwrap(), problem["value"].as_str().unwrap()), (parameter, value), "{path}");
        assert_eq!(problem["status"], status, "{path}");
        for part in ["title", "detail", "remedy"] {
            assert!(!problem[part].as_str().unwrap().is_empty(), "{path}: {part}");
        }
    }
    let (status, head, _) = server.raw("GET", "/api/v1/spend?x=1", "").await;
    assert!(status == 400 && head.contains("content-type: application/problem+json"), "{head}");
    let (status, problem) = server.ask("/api/v2/spend").await;
    assert_eq!((status, &problem["code"]), (404, &Value::from("CR-5005")));
    // Without a rate an amount is unknown and never zero.
    let unknown = server.get("/api/v1/summary?currency=XAU").await;
    assert_eq!(unknown["periods"][2]["spent"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_reading_is_answered_and_only_under_our_own_name() {
    filled().await;
    let server = Server::start(options(shared().address, DATABASE)).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for path in ["/", "/api/v1/spend", "/assets/app.js"] {
            let (status, head, body) = server.raw(method, path, "Content-Length: 0\r\n").await;
            assert!(status == 405 && head.contains("allow: GET, HEAD") && body.contains("CR-5006"), "{method} {path}: {head} {body}");
        }
    }
    for (path, headers, expected) in [
        ("/", "Host: evil.example\r\n", 403),
        ("/api/v1/health", "Host: evil.example:8080\r\n", 403),
        ("/api/v1/health", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("/api/v1/health", "Sec-Fetch-Site: same-origin\r\n", 200),
        ("/api/v1/health", "Host: cost.example.org\r\n", 200),
        ("/alerts/abc", "Host: localhost:1\r\nSec-Fetch-Site: cross-site\r\n", 200),
    ] {
        let (status, head, _) = server.raw("GET", path, headers).await;
        assert_eq!(status, expected, "{path} {headers}");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert!(!head.to_ascii_lowercase().contains("access-control-allow"), "{head}");
    }
}

/// Every code that the program answers with is explained.
#[test]
fn every_code_is_in_the_list_of_errors() {
    let errors = include_str!("../../../docs/ERRORS.md");
    let source = include_str!("../../src/problem.rs");
    let codes: Vec<&str> = source.match_indices("\"CR-").map(|(at, _)| &source[at + 1..at + 8]).collect();
    assert!(codes.len() > 10);
    for code in codes {
        assert!(errors.contains(&format!("| {code} |")), "{code} is not in docs/ERRORS.md");
    }
}

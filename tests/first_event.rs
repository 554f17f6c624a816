//! The README's first own events: by curl as it stands there, and by the examples in Python and Rust. What is answered with 202 is counted, even if the broker
//! is killed next; what is refused is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Engine, Kafka, PROGRAM, Site, await_true, free_port, run};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// The README's curl command that sends an event.
fn command_of_readme() -> String {
    let text = include_str!("../README.md");
    let begin = text.find("    curl -i http://127.0.0.1:8080/api/v1/events").unwrap();
    text[begin..].split("\n\n").next().unwrap().replace("curl -i", "curl --silent --show-error")
}

/// Status and answer.
fn post(port: u16, kind: &str, body: &str) -> (String, Value) {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}", "--header", &format!("content-type: {kind}")])
        .args([&format!("http://127.0.0.1:{port}/api/v1/events"), "--data-binary", body])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (answer, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), serde_json::from_str(answer).unwrap_or(Value::Null))
}

fn event(id: &str) -> String {
    let now = jiff::Timestamp::now();
    format!(r#"{{"event_id":"{id}","source":"test","occurred_at":"{now}","kind":"cost","provider":"aws","amount":"1.5","currency":"USD"}}"#)
}

#[test]
fn events_sent_as_the_readme_says_are_priced_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start_without_registry(directory.path());
    let engine = Engine::start(directory.path());
    let site = Site::new(directory.path(), "first", &kafka, &engine, "accept_events = true");
    let port = free_port();
    site.amend("listen = \"127.0.0.1:0\"", &format!("listen = \"127.0.0.1:{port}\""));
    let _service = site.run("a");
    await_true(Duration::from_secs(60), "it is ready", || {
        let ready =
            Command::new("curl").args(["--silent", "--fail", &format!("http://127.0.0.1:{port}/readyz")]).stdout(Stdio::null()).status();
        ready.is_ok_and(|status| status.success())
    });

    // As the README says.
    let curl = command_of_readme().replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let output = Command::new("bash").args(["-c", &curl]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), r#"{"accepted":1}"#, "{curl}");
    let topic = format!("{}usage-events", site.prefix);
    let mut python = Command::new(Path::new(PROJECT).join("scripts/python.sh"));
    python.args(["examples/requirements.txt", "examples/send_event.py", &kafka.brokers, &topic]).current_dir(PROJECT);
    run(python);
    let mut rust = Command::new(Path::new(PROGRAM).with_file_name("examples").join("send_event"));
    rust.args([&kafka.brokers, &topic]);
    run(rust);
    site.await_offsets(3, Duration::from_secs(60));
    let counted = site.query("SELECT source, cost, cost_status, revenue FROM usage_events ORDER BY source");
    assert_eq!(counted, "checkout-api\t0.0027\tpriced\t0\npython-example\t0.0027\tpriced\t0.02\nrust-example\t0.0027\tpriced\t0.02\n");

    // What is refused says why, and none of it is sent.
    let (status, problem) = post(port, "application/x-ndjson", &format!("{}\n{}", event("never"), r#"{"event_id":"x","kind":"cost"}"#));
    assert_eq!((status.as_str(), problem["value"].as_str()), ("400", Some("2")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().starts_with("missing_field: source"), "{problem}");
    let ahead = r#"{"event_id":"ahead","source":"test","occurred_at":"2099-01-01T00:00:00Z","kind":"cost","amount":"1","currency":"USD"}"#;
    let (status, problem) = post(port, "application/json", ahead);
    assert_eq!(status, "400");
    assert!(problem["detail"].as_str().unwrap().starts_with("occurred_at_in_future: occurred_at is 2099"), "{problem}");

    // Lines, and a repeat of one of them in another spelling.
    let lines = [event("a"), event("b"), event("c")].join("\n");
    assert_eq!(post(port, "application/x-ndjson", &lines).0, "202");
    let again = lines.lines().next().unwrap().replace("\"1.5\"", "1.50");
    assert_eq!(post(port, "application/json", &again).0, "202");
    site.await_offsets(7, Duration::from_secs(60));

    // Without a broker there is no 202. Sent again when it is back, everything counts once, whatever came through before.
    let broker = kafka.broker_pid().to_string();
    assert!(Command::new("kill").args(["-STOP", &broker]).status().unwrap().success());
    let late = [event("d"), event("e")].join("\n");
    let (status, problem) = post(port, "application/x-ndjson", &late);
    assert!(Command::new("kill").args(["-CONT", &broker]).status().unwrap().success());
    assert_eq!((status.as_str(), problem["code"].as_str()), ("503", Some("CR-5106")), "{problem}");
    assert_eq!(post(port, "application/x-ndjson", &late).0, "202");
    let counted = "SELECT uniqExact(event_id), sum(cost), count() FROM usage_events WHERE source = 'test'";
    site.await_answer(counted, "5\t7.5\t5\n", Duration::from_secs(60));
    // What was answered with 202 outlives the broker's death.
    assert_eq!(post(port, "application/json", &event("f")).0, "202");
    kafka.restart_hard();
    site.await_answer(counted, "6\t9\t6\n", Duration::from_secs(120));
    assert_eq!(site.query("SELECT sum(rejected), sum(conflict) FROM pipeline_accounts"), "0\t0\n");
}

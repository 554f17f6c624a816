//! The live stream says what has changed, soon.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine_process::shared;
use crate::server::{Server, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_by_name_within_seconds() {
    let clickhouse = shared().database("console_stream").await;
    let server = Server::start(options(shared().address, "console_stream")).await;
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let lines = server.listen();
    std::thread::spawn(move || {
        let mut name = String::new();
        for line in lines {
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).unwrap();
                if sender.send((name.clone(), data)).is_err() {
                    return;
                }
            }
        }
    });
    let (first, _) = events.recv().await.unwrap();
    assert_eq!(first, "hello");
    // The watcher looks once a second; its first look may still be to come.
    let (begun, mut heard) = (Instant::now(), Vec::new());
    let (name, data) = loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "no change is told, but {heard:?}");
        clickhouse
            .execute("INSERT INTO alert_rows (id, occurred_at, data) SELECT toString(generateUUIDv4()), now64(6), '{}'")
            .await
            .unwrap();
        match tokio::time::timeout(Duration::from_secs(5), events.recv()).await {
            Ok(Some((name, data))) if name == "changed" => break (name, data),
            other => heard.push((begun.elapsed(), other)),
        }
    };
    assert_eq!(
        (name.as_str(), &data["topics"], &data["is_clickhouse_reachable"]),
        ("changed", &Value::from(vec!["alerts"]), &Value::from(true))
    );
    println!("told after {:?}", begun.elapsed());
    // Nothing changes: a heartbeat comes all the same.
    let (name, _) = tokio::time::timeout(Duration::from_secs(15), events.recv()).await.unwrap().unwrap();
    assert_eq!(name, "heartbeat");
}

use std::sync::Arc;
use std::time::Duration;

use runtime::io::{IoError, TableSink};
use schemas::{Money, Secret};
use sinks::clickhouse::{ClickHouse, ClickHouseError, ClickHouseHandle, ClickHouseOptions, ClickHouseSink, Fault};

use crate::samples::{rollups, total};
use crate::server::{PASSWORD, database, options, sink_options, text, until_acknowledged};

fn start(server: &ClickHouse) -> ClickHouseHandle {
    ClickHouseSink::start(server.clone(), sink_options(), Arc::new(()), &tokio::runtime::Handle::current())
}

async fn fatal(sink: &mut impl TableSink) -> String {
    for _ in 0..2_000 {
        match sink.acknowledged() {
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(IoError::Fatal(why)) => return why,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("not refused in ten seconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_not_shown() {
    let server = ClickHouse::new(ClickHouseOptions { password: Secret::new("hunter2"), ..options("default") }).unwrap();
    let error = server.ping().await.unwrap_err();
    assert_eq!((error.code(), error.fault()), (Some(516), Fault::Lasting), "{error}");
    assert!(error.to_string().contains("check clickhouse.username"), "{error}");
    let mut sink = start(&server).table_sink();
    sink.submit(rollups([&total(0, 1, Money::ZERO)])).unwrap();
    let why = fatal(&mut sink).await;
    for text in [format!("{error} {error:?}"), why, format!("{server:?}")] {
        assert!(!text.contains("hunter2") && !text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_database_and_a_missing_column_stop_the_driver_with_a_remedy() {
    let mut sink = start(&ClickHouse::new(options("nowhere")).unwrap()).table_sink();
    sink.submit(rollups([&total(0, 1, Money::ZERO)])).unwrap();
    let why = fatal(&mut sink).await;
    assert!(why.contains("Code: 81") && why.contains("so that the migrations run"), "{why}");

    let server = database("missing_column").await;
    server.execute("ALTER TABLE rollups DROP COLUMN credit").await.unwrap();
    let mut sink = start(&server).table_sink();
    sink.submit(rollups([&total(0, 1, Money::ZERO)])).unwrap();
    let why = fatal(&mut sink).await;
    assert!(why.contains("Code: 16") && why.contains("credit") && why.contains("changed by hand"), "{why}");
    assert!(sink.submit(rollups([&total(0, 1, Money::ZERO)])).is_err(), "a stopped driver's rows are given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_read_stop_only_the_driver_that_sent_them() {
    let server = database("culprit").await;
    let handle = start(&server);
    let (mut good, mut bad) = (handle.table_sink(), handle.table_sink());
    // Cut off within its last column.
    let mut broken = rollups([&total(2, 1, Money::ZERO)]);
    broken.bytes.pop();
    for hour in 1..=3 {
        good.submit(rollups([&total(hour, 1, Money::from_whole(1))])).unwrap();
        if hour == 2 {
            bad.submit(broken.clone()).unwrap();
        }
    }
    until_acknowledged(&mut good, 3).await;
    let why = fatal(&mut bad).await;
    assert!(why.contains("Code: "), "{why}");
    assert_eq!(text(&server, "SELECT sum(cost) FROM hourly_total").await, "3");
}

#[test]
fn options_that_cannot_work_are_refused_by_name() {
    for (url, database) in [
        ("127.0.0.1:8123", "x"),
        ("ftp://host", "x"),
        ("http://", "x"),
        ("http://user:hunter2@host:8123", "x"),
        ("http://host:8123/?password=hunter2", "x"),
        ("http://host", "a`b"),
        ("http://host", ""),
    ] {
        let options = ClickHouseOptions { url: url.to_owned(), database: database.to_owned(), ..ClickHouseOptions::default() };
        let error = ClickHouse::new(options).unwrap_err();
        assert!(matches!(error, ClickHouseError::Option { .. }), "{url} {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let options =
        ClickHouseOptions { url: "https://host".to_owned(), tls_ca_file: Some("/nowhere.pem".into()), ..ClickHouseOptions::default() };
    assert!(ClickHouse::new(options).unwrap_err().to_string().contains("/nowhere.pem"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_with_its_address() {
    let server = ClickHouse::new(ClickHouseOptions { url: "http://127.0.0.1:1".to_owned(), ..ClickHouseOptions::default() }).unwrap();
    let error = server.ping().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Passing);
    assert!(error.to_string().contains("http://127.0.0.1:1") && error.to_string().to_lowercase().contains("refused"), "{error}");
}

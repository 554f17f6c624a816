use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::registry::Registry;
use runtime::io::{Full, TableSink};
use schemas::Money;
use sinks::clickhouse::{ClickHouse, ClickHouseOptions, ClickHouseSink, SinkOptions, SinkState};
use sinks::metrics::SinkMetrics;

use crate::proxy::{CUT_ANSWER, PASS, Proxy, REFUSE};
use crate::samples::{accounts, rollups, total};
use crate::server::{address, database, options, sink_options, text, until_acknowledged};

async fn behind(proxy: &Proxy, database: &str) -> ClickHouse {
    ClickHouse::new(ClickHouseOptions { url: proxy.url(), ..options(database) }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_after_the_server_took_the_insert_does_not_write_it_twice() {
    let direct = database("cut").await;
    let proxy = Proxy::start(address());
    let handle = ClickHouseSink::start(behind(&proxy, "cut").await, sink_options(), Arc::new(()), &tokio::runtime::Handle::current());
    let mut sink = handle.table_sink();
    proxy.set(CUT_ANSWER);
    sink.submit(rollups([&total(0, 1, Money::from_whole(5))])).unwrap();
    while proxy.cuts.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(text(&direct, "SELECT sum(cost) FROM hourly_total").await, "5", "the server took it");
    assert_eq!(sink.acknowledged().unwrap(), 0, "but nobody knows");
    proxy.set(PASS);
    until_acknowledged(&mut sink, 1).await;
    assert_eq!(text(&direct, "SELECT sum(cost) FROM hourly_total").await, "5");
    assert_eq!(text(&direct, "SELECT count() FROM rollups").await, "1", "the token kept the repeats out of the table itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_loses_nothing_and_accounts_are_never_ahead_of_rollups() {
    let direct = database("outage").await;
    let proxy = Proxy::start(address());
    let metrics = SinkMetrics::default();
    let handle = ClickHouseSink::start(
        behind(&proxy, "outage").await,
        sink_options(),
        Arc::new(metrics.clone()),
        &tokio::runtime::Handle::current(),
    );
    let mut sinks = [handle.table_sink(), handle.table_sink()];
    let observer = tokio::spawn({
        let direct = direct.clone();
        async move {
            for _ in 0..60 {
                // Accounts first, rollups after: what the accounts promise must be there.
                let counted: u64 = text(&direct, "SELECT sum(counted) FROM pipeline_accounts").await.parse().unwrap();
                let events: u64 = text(&direct, "SELECT sum(events) FROM hourly_total").await.parse().unwrap();
                assert!(events >= 2 * counted, "{counted} promised by both shards, {events} there");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    for step in 0..200_i64 {
        for (shard, sink) in sinks.iter_mut().enumerate() {
            let hour = step * 2 + shard as i64;
            sink.submit(rollups([&total(hour, 1, Money::from_whole(1))])).unwrap();
            sink.submit(accounts(shard as i32, 2, step as u64 + 1, step)).unwrap();
        }
        match step {
            50 => proxy.set(REFUSE),
            150 => {
                assert!(matches!(handle.state(), SinkState::Down { .. }));
                proxy.set(PASS);
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    for sink in &mut sinks {
        until_acknowledged(sink, 400).await;
    }
    observer.await.unwrap();
    assert_eq!(handle.state(), SinkState::Up);
    assert_eq!(text(&direct, "SELECT sum(events), sum(cost) FROM hourly_total").await, "400\t400");
    assert_eq!(text(&direct, "SELECT offsets_in, counted FROM pipeline_accounts").await, "200\t200");
    let (mut registry, mut figures) = (Registry::with_prefix("cost_rhythm"), String::new());
    metrics.register(&mut registry);
    prometheus_client::encoding::text::encode(&mut figures, &registry).unwrap();
    assert!(figures.contains("cost_rhythm_sink_rows_total{table=\"rollups\"} 400"), "{figures}");
    assert!(figures.contains("cost_rhythm_sink_retries_total"), "{figures}");
    handle.shutdown(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_bounded_and_shutdown_says_what_was_left() {
    let proxy = Proxy::start(address());
    proxy.set(REFUSE);
    let small = SinkOptions { max_queue_bytes: 10_000, ..sink_options() };
    let handle = ClickHouseSink::start(behind(&proxy, "default").await, small, Arc::new(()), &tokio::runtime::Handle::current());
    let mut sink = handle.table_sink();
    let rows = rollups([&total(0, 1, Money::ZERO)]);
    let mut taken = 0;
    let refused = loop {
        match sink.submit(rows.clone()) {
            Ok(()) => taken += 1,
            Err(Full(batch)) => break batch,
        }
    };
    assert_eq!(refused, rows);
    assert!((8..20).contains(&taken), "{taken}");
    assert!(handle.queue_bytes() <= 10_000);
    let left = handle.shutdown(Duration::from_millis(300)).await.unwrap_err();
    assert!(left.bytes > 9_000 && matches!(left.state, SinkState::Down { .. }), "{left}");
    assert!(sink.submit(rows).is_err(), "nothing is taken after the shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_shutdown_writes_what_was_submitted() {
    let server = database("orderly").await;
    let slow = SinkOptions { linger: Duration::from_secs(60), ..sink_options() };
    let handle = ClickHouseSink::start(server.clone(), slow, Arc::new(()), &tokio::runtime::Handle::current());
    let mut sink = handle.table_sink();
    sink.submit(rollups([&total(0, 1, Money::from_whole(2))])).unwrap();
    handle.shutdown(Duration::from_secs(10)).await.unwrap();
    assert_eq!(sink.acknowledged().unwrap(), 1);
    assert_eq!(text(&server, "SELECT sum(cost) FROM hourly_total").await, "2");
}

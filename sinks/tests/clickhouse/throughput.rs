use std::sync::Arc;
use std::time::Instant;

use runtime::io::TableSink;
use schemas::rollup::Granularity;
use schemas::{Measures, Money, Timestamp};
use sinks::clickhouse::{ClickHouse, ClickHouseOptions, ClickHouseSink, Compression, SinkOptions};

use crate::samples::{Key, Row, rollups};
use crate::server::{database, options, text, until_acknowledged};

/// Not a test of speed, which a shared machine cannot promise: it prints figures with `--nocapture --ignored`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn a_million_rollup_rows() {
    for (name, compression) in [("plain", Compression::Off), ("lz4", Compression::Lz4)] {
        database(name).await;
        let server = ClickHouse::new(ClickHouseOptions { compression, ..options(name) }).unwrap();
        let handle = ClickHouseSink::start(server.clone(), SinkOptions::default(), Arc::new(()), &tokio::runtime::Handle::current());
        let start = Timestamp::parse("2026-11-01T00:00:00Z").unwrap();
        let encoding = Instant::now();
        let batches: Vec<_> = (0..100_i64)
            .map(|step| {
                let rows: Vec<Row> = (0..10_000_i64)
                    .map(|user| {
                        let window_start = start.plus(step * 3_600_000_000);
                        let key = Key {
                            granularity: Granularity::Hour,
                            set: "user".to_owned(),
                            window_start,
                            values: vec![format!("user-{user}")],
                            generation: 0,
                        };
                        let measures = Measures {
                            events: 3,
                            calls: 3,
                            cost: Money::from_units(1_234_567_890 * i128::from(user)),
                            output_tokens: user.into(),
                            first_event_at: window_start,
                            last_event_at: window_start,
                            ..Measures::EMPTY
                        };
                        Row { key, revision: step, is_final: false, measures }
                    })
                    .collect();
                rollups(&rows)
            })
            .collect();
        let bytes: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
        println!("{name}: made in {:?}, {} bytes per row", encoding.elapsed(), bytes / 1_000_000);
        let begun = Instant::now();
        let mut sink = handle.table_sink();
        for mut next in batches {
            while let Err(runtime::io::Full(back)) = sink.submit(next) {
                next = back;
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        until_acknowledged(&mut sink, 100).await;
        println!("{name}: 1,000,000 rows in {:?}", begun.elapsed());
        for sql in [
            "SELECT count(), sum(cost) FROM hourly_by_user",
            "SELECT sum(cost) FROM hourly_by_user WHERE window_start >= '2026-11-02 00:00:00' AND window_start < '2026-11-03 00:00:00'",
            "SELECT sum(cost) FROM hourly_by_user WHERE user_id = 'user-77'",
            "SELECT user_id, sum(cost) AS c FROM hourly_by_user GROUP BY user_id ORDER BY c DESC LIMIT 10",
        ] {
            let begun = Instant::now();
            let rows = text(&server, sql).await.lines().count();
            println!("{name}: {:?} for {rows} rows: {sql}", begun.elapsed());
        }
        println!("{name}: {} bytes on disk per row", text(&server, "SELECT round(sum(bytes_on_disk) / sum(rows), 1) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'rollups'").await);
    }
}

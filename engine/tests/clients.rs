//! The official `clickhouse` crate against the real engine: every value back, digit for digit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use clickhouse::{Client, Compression, Row};
use common::{serve_as_child, shared_engine};
use serde::{Deserialize, Serialize};

/// The types rollups are made of. Money is `Decimal(38, 18)`, which RowBinary writes as a 128-bit integer.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Cell {
    id: u64,
    window_start_ms: i64,
    provider: String,
    cost: i128,
    tokens: i128,
    note: Option<String>,
    revision: u64,
}

const MAX_DECIMAL: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

fn client() -> Client {
    Client::default().with_url(format!("http://{}", shared_engine())).with_compression(Compression::None)
}

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn child_process() {
    serve_as_child(|_| {});
}

fn cell(id: u64, cost: i128, revision: u64) -> Cell {
    Cell {
        id,
        window_start_ms: 1_767_225_600_000 + id as i64,
        provider: format!("provider {}", id % 3),
        cost,
        tokens: i128::MIN + i128::from(id),
        note: id.is_multiple_of(2).then(|| "note\n\0 é".to_owned()),
        revision,
    }
}

async fn create(client: &Client, table: &str) {
    let columns = "id UInt64, window_start_ms DateTime64(3, 'UTC'), provider LowCardinality(String), \
        cost Decimal(38, 18), tokens Int128, note Nullable(String), revision UInt64";
    let statement = format!("CREATE TABLE {table} ({columns}) ENGINE = ReplacingMergeTree(revision) ORDER BY id");
    client.query(&statement).execute().await.unwrap();
}

async fn insert(client: &Client, table: &str, cells: &[Cell]) {
    let mut insert = client.insert::<Cell>(table).await.unwrap();
    for cell in cells {
        insert.write(cell).await.unwrap();
    }
    insert.end().await.unwrap();
}

#[tokio::test]
async fn rows_come_back_digit_for_digit_with_and_without_validation() {
    let client = client();
    for (table, validation) in [("digits_validated", true), ("digits_plain", false)] {
        let client = client.clone().with_validation(validation);
        create(&client, table).await;
        let costs = [0, 1, -1, MAX_DECIMAL, -MAX_DECIMAL, 123_456_789_012_345_678_901_234_567_890];
        let sent: Vec<Cell> = costs.iter().enumerate().map(|(id, cost)| cell(id as u64, *cost, 1)).collect();
        insert(&client, table, &sent).await;
        let received = client.query(&format!("SELECT ?fields FROM {table} ORDER BY id")).fetch_all::<Cell>().await.unwrap();
        assert_eq!(received, sent);
    }
    let text = client.query("SELECT toString(max(cost)) FROM digits_plain").fetch_one::<String>().await.unwrap();
    assert_eq!(text, "99999999999999999999.999999999999999999");
}

#[tokio::test]
async fn a_later_revision_replaces_an_earlier_one_whenever_it_is_merged() {
    let client = client();
    create(&client, "revisions").await;
    let first: Vec<Cell> = (0..1000).map(|id| cell(id, 5, 1)).collect();
    let second: Vec<Cell> = (0..1000).step_by(2).map(|id| cell(id, 7, 2)).collect();
    insert(&client, "revisions", &first).await;
    insert(&client, "revisions", &second).await;
    let total = "SELECT toInt128(sum(cost) * pow(10, 18)) FROM revisions FINAL";
    assert_eq!(client.query(total).fetch_one::<i128>().await.unwrap(), 500 * 5 + 500 * 7);
    client.query("OPTIMIZE TABLE revisions FINAL").execute().await.unwrap();
    let rows = client.query("SELECT count() FROM revisions").fetch_one::<u64>().await.unwrap();
    assert_eq!(rows, 1000, "the merge has happened");
    let parts = client.query("SELECT count() FROM system.parts WHERE table = 'revisions' AND active").fetch_one::<u64>().await.unwrap();
    assert_eq!(parts, 1);
}

#[tokio::test]
async fn parts_merge_in_the_background() {
    let client = client();
    create(&client, "merging").await;
    for round in 0..12 {
        insert(&client, "merging", &[cell(round, 1, 1)]).await;
    }
    let active = "SELECT count() FROM system.parts WHERE table = 'merging' AND active";
    let mut parts = 12;
    for _ in 0..200 {
        parts = client.query(active).fetch_one::<u64>().await.unwrap();
        if parts < 12 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(parts < 12, "{parts} parts, none merged");
}

#[tokio::test]
async fn formatted_inserts_bytes_and_parameters_work() {
    let client = client();
    client.query("CREATE TABLE formatted (a UInt32, s String) ENGINE = MergeTree ORDER BY a").execute().await.unwrap();
    let mut insert = client.insert_formatted_with("INSERT INTO formatted FORMAT JSONEachRow");
    insert.send(bytes::Bytes::from_static(b"{\"a\":1,\"s\":\"x\"}\n{\"a\":2,")).await.unwrap();
    insert.send(bytes::Bytes::from_static(b"\"s\":\"y\"}\n")).await.unwrap();
    insert.end().await.unwrap();
    let query = client.query("SELECT s FROM formatted WHERE a = {a:UInt32}").param("a", 2);
    assert_eq!(query.fetch_one::<String>().await.unwrap(), "y");
    let mut bytes = client.query("SELECT * FROM formatted ORDER BY a").fetch_bytes("CSV").unwrap();
    assert_eq!(bytes.collect().await.unwrap(), b"1,\"x\"\n2,\"y\"\n".as_slice());
}

#[tokio::test]
async fn arrow_streams_go_in_and_out() {
    let client = client();
    client.query("CREATE TABLE arrows (a UInt64, s String) ENGINE = MergeTree ORDER BY a").execute().await.unwrap();
    let source = "SELECT number AS a, toString(number) AS s FROM numbers(150000)";
    let stream = client.query(source).fetch_bytes("ArrowStream").unwrap().collect().await.unwrap();
    let mut insert = client.insert_formatted_with("INSERT INTO arrows FORMAT ArrowStream");
    for piece in stream.chunks(100_000) {
        insert.send(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
    }
    insert.end().await.unwrap();
    let sums = client.query("SELECT count(), sum(a), sum(toUInt64(s)) FROM arrows").fetch_one::<(u64, u64, u64)>().await.unwrap();
    assert_eq!(sums, (150_000, 11_249_925_000, 11_249_925_000));
}

#[tokio::test]
async fn errors_reach_the_client_with_their_code() {
    let client = client();
    let error = client.query("SELECT * FROM nowhere").fetch_one::<u8>().await.unwrap_err();
    assert!(error.to_string().contains("Code: 60."), "{error}");
    let late = client.query("SELECT throwIf(number = 500000) FROM numbers(1000000)").fetch_all::<u8>().await.unwrap_err();
    assert!(late.to_string().contains("Code: 395."), "{late}");
    let mut insert = client.insert_formatted_with("INSERT INTO nowhere FORMAT RowBinary");
    let sent = insert.send(bytes::Bytes::from_static(&[1, 2, 3])).await;
    let error = match sent {
        Ok(()) => insert.end().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("Code: 60."), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_clients_insert_and_select_at_once() {
    let client = client();
    create(&client, "together").await;
    let writers: Vec<_> = (0..8_u64)
        .map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                for round in 0..20_u64 {
                    let first = (writer * 20 + round) * 50;
                    let cells: Vec<Cell> = (first..first + 50).map(|id| cell(id, i128::from(id), 1)).collect();
                    insert(&client, "together", &cells).await;
                    let mine = format!("SELECT count() FROM together WHERE id BETWEEN {first} AND {}", first + 49);
                    assert_eq!(client.query(&mine).fetch_one::<u64>().await.unwrap(), 50, "own rows are seen at once");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let sums = client.query("SELECT count(), uniqExact(id), sum(id) FROM together").fetch_one::<(u64, u64, u64)>().await.unwrap();
    assert_eq!(sums, (8000, 8000, 31_996_000));
}

#[tokio::test]
async fn how_fast_inserts_and_small_queries_are() {
    let client = client();
    create(&client, "speed").await;
    let started = std::time::Instant::now();
    let mut insert = client.insert::<Cell>("speed").await.unwrap();
    for id in 0..500_000 {
        insert.write(&cell(id, i128::from(id), 1)).await.unwrap();
    }
    insert.end().await.unwrap();
    println!("RowBinary: {:.0} rows/s", 500_000.0 / started.elapsed().as_secs_f64());
    let mut times: Vec<_> = Vec::new();
    for _ in 0..200 {
        let started = std::time::Instant::now();
        assert_eq!(client.query("SELECT id FROM speed WHERE id = 4711").fetch_one::<u64>().await.unwrap(), 4711);
        times.push(started.elapsed());
    }
    times.sort();
    println!("point query: median {:?}, 95 % {:?}", times[100], times[190]);
}

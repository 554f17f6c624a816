//! One engine for all tests of this program (a process has room for one); each test has a database of its own.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use engine::{Credentials, Engine, EngineHandle, EngineOptions, find_library};
use runtime::io::{RowBatch, Table, TableSink};
use schemas::GroupingSet;
use sinks::clickhouse::{ClickHouse, ClickHouseOptions, Secret, SinkOptions};

pub const PASSWORD: &str = "correct horse";

fn engine() -> &'static EngineHandle {
    static ENGINE: OnceLock<EngineHandle> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let library = find_library().unwrap_or_else(|error| panic!("{error}"));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clickhouse-{}", std::process::id()));
        let mut options = EngineOptions::new(library, directory);
        options.listen = "127.0.0.1:0".parse().unwrap();
        options.credentials = Some(Credentials { user: "default".to_owned(), password: PASSWORD.to_owned() });
        Engine::start(options).unwrap_or_else(|error| panic!("{error}"))
    })
}

pub fn address() -> std::net::SocketAddr {
    engine().local_addr()
}

pub fn options(database: &str) -> ClickHouseOptions {
    ClickHouseOptions {
        url: engine().url(),
        database: database.to_owned(),
        password: Secret::new(PASSWORD),
        ..ClickHouseOptions::default()
    }
}

/// A migrated database.
pub async fn database(name: &str) -> ClickHouse {
    let server = ClickHouse::new(options(name)).unwrap();
    server.migrate(&GroupingSet::defaults()).await.unwrap();
    server
}

/// Quick to retry, so that tests are quick.
pub fn sink_options() -> SinkOptions {
    SinkOptions {
        linger: Duration::from_millis(5),
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        ..SinkOptions::default()
    }
}

pub fn batch(table: Table, rows: usize, bytes: Vec<u8>) -> RowBatch {
    RowBatch { table, rows: u32::try_from(rows).unwrap(), bytes }
}

pub async fn until_acknowledged(sink: &mut impl TableSink, count: u64) {
    let begun = Instant::now();
    while sink.acknowledged().unwrap() < count {
        assert!(begun.elapsed() < Duration::from_secs(60), "not acknowledged in a minute");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn text(server: &ClickHouse, sql: &str) -> String {
    server.query_rows(sql, "TabSeparated").await.unwrap().trim_end().to_owned()
}

//! One engine for all tests of this program; each test has a database of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use engine::{Credentials, Engine, EngineOptions, find_library};
use runtime::io::TableSink;
use schemas::{GroupingSet, Secret};
use sinks::clickhouse::{ClickHouse, ClickHouseOptions, SinkOptions};

pub const PASSWORD: &str = "correct horse";

/// Set for the process that is the engine.
const ENGINE_DIRECTORY: &str = "CLICKHOUSE_TEST_ENGINE_DIRECTORY";

/// The engine in a process of its own, which ends when this one does: a test harness ends its process without dropping anything, and
/// the library's exit handlers must not run while its threads do.
fn engine() -> SocketAddr {
    static ENGINE: OnceLock<(SocketAddr, Child)> = OnceLock::new();
    let (address, _) = ENGINE.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clickhouse-{}", std::process::id()));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server::engine_process", "--ignored", "--nocapture"])
            .env(ENGINE_DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("engine at ").map(str::to_owned));
        // The harness of that process says something after a minute, and ends it when nobody listens.
        std::thread::spawn(move || lines.for_each(drop));
        (address.expect("the engine did not start").parse().unwrap(), child)
    });
    *address
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process of the engine, started by the other tests"]
async fn engine_process() {
    let Some(directory) = std::env::var_os(ENGINE_DIRECTORY) else { return };
    let library = find_library().unwrap_or_else(|error| panic!("{error}"));
    let mut options = EngineOptions::new(library, directory.clone().into());
    options.listen = "127.0.0.1:0".parse().unwrap();
    options.credentials = Some(Credentials { user: "default".to_owned(), password: PASSWORD.to_owned() });
    let engine = Engine::start(options).unwrap_or_else(|error| panic!("{error}"));
    println!("\nengine at {}", engine.local_addr());
    // Until the other end of the pipe is gone.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await.unwrap().ok();
    engine.shutdown().await.ok();
    std::fs::remove_dir_all(directory).ok();
    // Nobody reads what the test harness would still say.
    std::process::exit(0);
}

pub fn address() -> SocketAddr {
    engine()
}

pub fn options(database: &str) -> ClickHouseOptions {
    ClickHouseOptions {
        url: format!("http://{}", engine()),
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

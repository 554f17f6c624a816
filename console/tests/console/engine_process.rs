//! The engine in a process of its own: it ends when this program does, however that ends, and the library's exit handlers stay out of the tests' process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::{Engine, EngineOptions, find_library};
use schemas::GroupingSet;
use schemas::rates::Rates;
use sinks::clickhouse::{ClickHouse, ClickHouseOptions};

const DIRECTORY: &str = "CONSOLE_TEST_ENGINE_DIRECTORY";
const LISTEN: &str = "CONSOLE_TEST_ENGINE_LISTEN";

/// A running engine.
pub struct EngineProcess {
    child: Child,
    pub address: SocketAddr,
    pub directory: PathBuf,
}

impl EngineProcess {
    /// On a free port, over a new directory.
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("console-{}-{number}", std::process::id()));
        Self::start_at(directory, "127.0.0.1:0")
    }

    /// On this address, over this directory.
    pub fn start_at(directory: PathBuf, listen: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "engine_process::the_engine", "--ignored", "--nocapture"])
            .env(DIRECTORY, &directory)
            .env(LISTEN, listen)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("engine at ").map(str::to_owned)).expect("the engine did not start");
        std::thread::spawn(move || lines.for_each(drop));
        EngineProcess { child, address: address.parse().unwrap(), directory }
    }

    /// Ends it in order; its data stay.
    pub fn stop(mut self) -> (PathBuf, String) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        (self.directory.clone(), self.address.to_string())
    }

    /// A migrated database with exchange rates.
    pub async fn database(&self, name: &str) -> ClickHouse {
        let server = self.client(name);
        server.migrate(&GroupingSet::defaults()).await.unwrap();
        let rates = "[[rate]]\ncurrency = \"KRW\"\nper_usd = \"1380.50\"\nfrom = 2023-01-01T00:00:00Z\n\n[[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.92\"\nfrom = 2023-01-01T00:00:00Z\n";
        server.publish_rates(&Rates::parse_all(&[("rates", rates)]).unwrap(), "UTC").await.unwrap();
        server
    }

    pub fn client(&self, database: &str) -> ClickHouse {
        let options =
            ClickHouseOptions { url: format!("http://{}", self.address), database: database.to_owned(), ..ClickHouseOptions::default() };
        ClickHouse::new(options).unwrap()
    }
}

/// The engine of all tests that do not stop it.
pub fn shared() -> &'static EngineProcess {
    static SHARED: OnceLock<EngineProcess> = OnceLock::new();
    SHARED.get_or_init(EngineProcess::start)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process of the engine, started by the other tests"]
async fn the_engine() {
    let (Some(directory), Some(listen)) = (std::env::var_os(DIRECTORY), std::env::var_os(LISTEN)) else { return };
    let library = find_library().unwrap_or_else(|error| panic!("{error}"));
    let mut options = EngineOptions::new(library, directory.into());
    options.listen = listen.to_str().unwrap().parse().unwrap();
    let engine = Engine::start(options).unwrap_or_else(|error| panic!("{error}"));
    println!("\nengine at {}", engine.local_addr());
    // Until the other end of the pipe is gone.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await.unwrap().ok();
    engine.shutdown().await.ok();
    std::process::exit(0);
}

/// The answer of ClickHouse itself.
pub async fn text(server: &ClickHouse, sql: &str) -> String {
    server.query_rows(sql, "TabSeparated").await.unwrap().trim_end_matches('\n').to_owned()
}

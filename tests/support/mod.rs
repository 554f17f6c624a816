//! Real parts for the pipeline tests: Apache Kafka with a schema registry, the ClickHouse engine, `cost-rhythm` itself, each in a process of
//! its own, on free ports, in a temporary directory; stopped by their process ids.
#![allow(unreachable_pub, missing_docs, reason = "a module of tests")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod outcome;
pub mod proxy;
#[path = "../../runtime/tests/s3/server.rs"]
pub mod s3;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use schemas::GroupingSet;
use sinks::clickhouse::{ClickHouse, ClickHouseOptions};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cost-rhythm");

/// Kafka and the registry.
pub struct Kafka {
    directory: PathBuf,
    nodes: u64,
    pub brokers: String,
    /// Empty: there is none.
    pub registry: String,
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name))
}

/// Runs a command that must succeed.
pub fn run(mut command: Command) {
    let output = command.output().unwrap();
    succeed(&output, &format!("{command:?}"));
}

fn succeed(output: &Output, what: &str) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Kafka {
    pub fn start(directory: &Path) -> Self {
        Self::start_nodes(directory, 1)
    }

    /// With so many brokers.
    pub fn start_nodes(directory: &Path, nodes: u64) -> Self {
        Self::up(directory, nodes, &["--registry"])
    }

    /// Without a registry: in half the time.
    pub fn start_without_registry(directory: &Path) -> Self {
        Self::up(directory, 1, &[])
    }

    fn up(directory: &Path, nodes: u64, more: &[&str]) -> Self {
        let directory = directory.join("kafka");
        let output = script("kafka.sh")
            .args(["up", "--nodes", &nodes.to_string()])
            .args(more)
            .env("KAFKA_DIR", &directory)
            .env("KAFKA_PORT", "0")
            .env("REGISTRY_PORT", "0")
            .output()
            .unwrap();
        let text = succeed(&output, "kafka.sh up");
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let brokers = value("KAFKA_BROKERS=").unwrap_or_else(|| panic!("KAFKA_BROKERS in {text}"));
        let registry = value("SCHEMA_REGISTRY_URL=").unwrap_or_default();
        assert_eq!(registry.is_empty(), more.is_empty(), "{text}");
        Kafka { directory, nodes, brokers, registry }
    }

    /// The first broker's process.
    pub fn broker_pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.directory.join("node-1/pid")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    pub fn restart_hard(&self) {
        self.script(&["restart", "--hard"]);
    }

    /// `kafka.sh` for this cluster.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = script("kafka.sh");
        command.args(arguments).env("KAFKA_DIR", &self.directory);
        command
    }

    pub fn script(&self, arguments: &[&str]) {
        run(self.command(arguments));
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the brokers said is often the answer.
            drop(
                Command::new("cp")
                    .args(["-r", self.directory.join("logs").to_str().unwrap_or_default(), "/tmp/kafka-logs-of-failed-test"])
                    .output(),
            );
        }
        drop(script("kafka.sh").args(["down", "--wipe"]).env("KAFKA_DIR", &self.directory).output());
    }
}

/// A child process that does not outlive its owner.
pub struct Process(pub Child);

impl Process {
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Is it so far in its start that SIGTERM ends it in order? Before, the signal just kills it.
    pub fn handles_sigterm(&self) -> bool {
        const SIGTERM: u64 = 1 << 14;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & SIGTERM != 0)
    }

    /// SIGTERM, and the exit within `limit`.
    pub fn end(mut self, limit: Duration) -> std::process::ExitStatus {
        let signalled = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(signalled.success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < limit, "not ended within {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A free port of this machine.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The ClickHouse engine.
pub struct Engine {
    pub port: u16,
    directory: PathBuf,
    process: Option<Process>,
}

impl Engine {
    pub fn start(directory: &Path) -> Self {
        let mut engine = Engine { port: free_port(), directory: directory.join("clickhouse"), process: None };
        engine.resume();
        engine
    }

    /// Starts it and waits until it says that it answers; again if it ended first: libchdb has crashed at a start in CI, seldom
    /// and for a reason not found, and a port that was free may be somebody's connection by now.
    #[allow(clippy::print_stderr, reason = "for whoever reads the test's output")]
    pub fn resume(&mut self) {
        const ATTEMPTS: u32 = 3;
        let log = self.directory.with_extension("log");
        for attempt in 1..=ATTEMPTS {
            let mut child = Command::new(PROGRAM)
                .args(["engine", "--path", self.directory.to_str().unwrap(), "--listen", &format!("127.0.0.1:{}", self.port)])
                .stdout(Stdio::piped())
                .stderr(std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap())
                .spawn()
                .unwrap();
            let mut said = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
            if !said.is_empty() {
                self.process = Some(Process(child));
                return;
            }
            let status = child.wait().unwrap();
            eprintln!("start {attempt} of {ATTEMPTS} of the engine ended with {status}: {}", std::fs::read_to_string(&log).unwrap());
        }
        panic!("the engine does not start");
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client of a database that has all tables and views, and in which these statements have run.
    pub fn filled(&self, runtime: &tokio::runtime::Runtime, database: &str, statements: &[String]) -> ClickHouse {
        let options = ClickHouseOptions { url: self.url(), database: database.to_owned(), ..ClickHouseOptions::default() };
        let server = ClickHouse::new(options).unwrap();
        runtime.block_on(async {
            server.migrate(&GroupingSet::defaults()).await.unwrap();
            for statement in statements {
                server.execute(statement).await.unwrap();
            }
        });
        server
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, |process| process.0.id())
    }

    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }
}

/// Waits until `condition` holds.
pub fn await_true(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One pipeline's configuration: its own topics, groups, database and state.
pub struct Site {
    pub config: PathBuf,
    pub prefix: String,
    pub database: String,
    pub brokers: String,
    /// Variables that its programs are given.
    pub environment: Vec<(&'static str, &'static str)>,
    url: String,
    directory: PathBuf,
}

impl Site {
    pub fn new(directory: &Path, name: &str, kafka: &Kafka, engine: &Engine, more: &str) -> Self {
        let url = format!("http://127.0.0.1:{}", engine.port);
        let text = format!(
            r#"
[kafka]
brokers = "{brokers}"
group = "{name}"
topic_prefix = "{name}-"
[registry]
url = "{registry}"
[clickhouse]
url = "{url}"
database = "{name}"
[state]
url = "state-{name}"
snapshot_interval = "700ms"
[budgets]
files = ["budgets/llm_platform.toml", "budgets/saas_krw.toml", "budgets/cloud_platform.toml"]
[watch]
min_amount = "0.001"
[alerts]
historical = "tell"
[http]
listen = "127.0.0.1:0"
{more}
"#,
            brokers = kafka.brokers,
            registry = kafka.registry,
        );
        let config = directory.join(format!("{name}.toml"));
        std::fs::write(&config, text).unwrap();
        let site = Site {
            config,
            prefix: format!("{name}-"),
            database: name.to_owned(),
            brokers: kafka.brokers.clone(),
            environment: Vec::new(),
            url,
            directory: directory.to_owned(),
        };
        let replication = kafka.nodes.min(3).to_string();
        succeed(
            &site.command("check").args(["--create-topics", "--partitions", "3", "--replication", &replication]).output().unwrap(),
            "check",
        );
        site
    }

    /// Another pipeline over the same events, with everything else of its own.
    pub fn beside(&self, name: &str, kafka: &Kafka, engine: &Engine) -> Self {
        let site = Site::new(&self.directory, name, kafka, engine, "");
        let own = &site.prefix;
        let names = format!(
            "topic_prefix = \"\"\nevents_topic = \"{}usage-events\"\npartials_topic = \"{own}rollup-partials\"\ndead_letters_topic = \"{own}usage-events-dlq\"\nalerts_topic = \"{own}cost-alerts\"",
            self.prefix
        );
        site.amend(&format!("topic_prefix = \"{own}\""), &names);
        site
    }

    /// Replaces a part of the configuration, which must be there.
    pub fn amend(&self, part: &str, by: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(part), "{part}: {text}");
        std::fs::write(&self.config, text.replace(part, by)).unwrap();
    }

    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args([name, "--config", self.config.to_str().unwrap()]).envs(self.environment.iter().copied());
        command
    }

    /// Starts an instance of the service.
    pub fn run(&self, instance: &str) -> Process {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join(format!("{}{instance}.log", self.prefix)))
            .unwrap();
        let child = self.command("run").env("COST_RHYTHM__KAFKA__INSTANCE", instance).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Process(child)
    }

    pub fn succeed(&self, name: &str, arguments: &[&str]) -> String {
        succeed(&self.command(name).args(arguments).output().unwrap(), name)
    }

    pub fn query(&self, sql: &str) -> String {
        let output = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--fail-with-body",
                &format!("{}/?database={}", self.url, self.database),
                "--data-binary",
                sql,
            ])
            .output()
            .unwrap();
        succeed(&output, sql)
    }

    /// Waits until the accounts show this many offsets.
    pub fn await_offsets(&self, wanted: u64, limit: Duration) {
        self.await_shown(&wanted.to_string(), limit, |shown| shown == wanted);
    }

    /// Waits until the accounts show that something was read.
    pub fn await_first_rows(&self) {
        self.await_shown("any", Duration::from_secs(180), |shown| shown > 0);
    }

    fn await_shown(&self, wanted: &str, limit: Duration, is_enough: impl Fn(u64) -> bool) {
        let begun = Instant::now();
        while !self.offsets().is_some_and(&is_enough) {
            assert!(
                begun.elapsed() < limit,
                "{}: {:?} of {wanted} offsets after {limit:?}; logs: {}",
                self.database,
                self.offsets(),
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until a query is answered so.
    pub fn await_answer(&self, sql: &str, expected: &str, limit: Duration) {
        let begun = Instant::now();
        while self.query(sql) != expected {
            assert!(begun.elapsed() < limit, "{sql}: {} instead of {expected} after {limit:?}; logs: {}", self.query(sql), self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What an instance has logged.
    pub fn log(&self, instance: &str) -> String {
        std::fs::read_to_string(self.directory.join(format!("{}{instance}.log", self.prefix))).unwrap_or_default()
    }

    /// Waits until an instance has logged this.
    pub fn await_log(&self, instance: &str, text: &str) {
        await_true(Duration::from_secs(60), &format!("{instance} logs {text:?}"), || self.log(instance).contains(text));
    }

    fn logs(&self) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(&self.directory).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "log") && path.to_string_lossy().contains(&self.prefix) {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(15).collect();
                all.push_str(&format!("\n{}:\n{}", path.display(), tail.into_iter().rev().collect::<Vec<_>>().join("\n")));
            }
        }
        all
    }
}

/// A repeatable sequence of numbers.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

impl Site {
    /// The offsets that the accounts show now, if the server answers.
    pub fn offsets(&self) -> Option<u64> {
        let url = format!("{}/?database={}", self.url, self.database);
        let output = Command::new("curl")
            .args(["--silent", &url, "--data-binary", "SELECT sum(offsets_in) FROM pipeline_accounts"])
            .output()
            .ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }
}

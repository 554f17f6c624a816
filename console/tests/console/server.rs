//! The console behind a real socket, and a client that sends exactly what a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use console::{ClickHouseAccess, ConsoleOptions, PartitionHealth, PipelineHealth};
use schemas::GroupingSet;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A served console, on a runtime of its own, so that its connections end with it.
pub struct Server {
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn options(clickhouse: SocketAddr, database: &str) -> ConsoleOptions {
    let partition = |stage: &str, number: i32| PartitionHealth {
        stage: stage.to_owned(),
        partition: format!("usage-events/{number}"),
        state: "running",
        reason: None,
        lag: Some(3),
        position: Some(30_000),
    };
    let health = PipelineHealth { partitions: vec![partition("meter", 0), partition("monitor", 0)], ..PipelineHealth::default() };
    ConsoleOptions {
        clickhouse: ClickHouseAccess {
            client: clickhouse::Client::default().with_url(format!("http://{clickhouse}")).with_user("default"),
            url: format!("http://{clickhouse}"),
            database: database.to_owned(),
        },
        time_zone: "UTC".to_owned(),
        sets: GroupingSet::defaults(),
        has_usage_events: true,
        public_url: "https://cost.example.org".to_owned(),
        pipeline: Box::new(move || health.clone()),
        intake: None,
    }
}

impl Server {
    pub async fn start(options: ConsoleOptions) -> Self {
        Self::start_at(options, "127.0.0.1:0").await
    }

    pub async fn start_at(options: ConsoleOptions, listen: &str) -> Self {
        let router = console::router(options).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = TcpListener::bind(listen).await.unwrap().into_std().unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(TcpListener::from_std(listener).unwrap(), router).await });
        Server { address, runtime: Some(runtime) }
    }

    /// Status, headers (as sent) and body.
    pub async fn raw(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        self.exchange(method, path, headers, Vec::new()).await
    }

    /// A body that is sent, and the answer: its status and its JSON.
    pub async fn post(&self, path: &str, headers: &str, body: impl Into<Vec<u8>>) -> (u16, Value) {
        let body = body.into();
        let headers = format!("Content-Length: {}\r\n{headers}", body.len());
        let (status, _, answer) = self.exchange("POST", path, &headers, body).await;
        (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}")))
    }

    async fn exchange(&self, method: &str, path: &str, headers: &str, body: Vec<u8>) -> (u16, String, String) {
        let (address, method, path, headers) = (self.address, method.to_owned(), path.to_owned(), headers.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let host = if headers.to_ascii_lowercase().contains("host:") { String::new() } else { format!("Host: {address}\r\n") };
            write!(socket, "{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n").unwrap();
            // A server that refuses a body need not read all of it.
            drop(socket.write_all(&body));
            let mut text = String::new();
            BufReader::new(socket).read_to_string(&mut text).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, head.to_owned(), body.to_owned())
        })
        .await
        .unwrap()
    }

    pub async fn ask(&self, path: &str) -> (u16, Value) {
        let (status, _, body) = self.raw("GET", path, "").await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}")))
    }

    /// The answer, which must be 200.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The events of the live stream, line by line.
    pub fn listen(&self) -> impl Iterator<Item = String> + use<> {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(socket, "GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        BufReader::new(socket).lines().map_while(Result::ok)
    }
}

/// Percent-encoded for a query string.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The text of a field.
pub fn field<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_else(|| panic!("{name} of {row}"))
}

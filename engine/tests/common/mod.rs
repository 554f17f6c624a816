//! What the tests share: one engine per test program, a raw HTTP client, and child processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(dead_code, unreachable_pub)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use engine::{Engine, EngineOptions, find_library};

/// The directory a child process opens; set only for children.
const CHILD_DIRECTORY: &str = "ENGINE_TEST_CHILD_DIRECTORY";

/// Options on a free port; fails with the remedy when the library is missing.
pub fn options(data_dir: &Path) -> EngineOptions {
    let library = find_library().unwrap_or_else(|error| panic!("{error}"));
    let mut options = EngineOptions::new(library, data_dir.to_owned());
    options.listen = "127.0.0.1:0".parse().unwrap();
    options
}

/// The engine all tests of one program share, in a process of its own that ends with this one: a test harness ends its process
/// without dropping anything, and the library's exit handlers must not run while its threads do.
pub fn shared_engine() -> SocketAddr {
    static ENGINE: OnceLock<ChildEngine> = OnceLock::new();
    ENGINE.get_or_init(|| ChildEngine::start(&fresh_directory())).address
}

fn fresh_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let name = program.file_stem().unwrap().to_string_lossy().into_owned();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::remove_dir_all(&directory).ok();
    directory
}

/// An answer, its body without chunks.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// Whether the body ended as HTTP says it must.
    pub complete: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Sends one request on a connection of its own.
pub fn request(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // The server may answer, and close, before it has read everything.
    stream.write_all(body).ok();
    read_answer(stream)
}

/// Runs a statement over POST and returns its answer.
pub fn post(address: SocketAddr, statement: &str) -> Answer {
    request(address, "POST", "/", &[], statement.as_bytes())
}

/// Runs a statement that must succeed and returns its text.
pub fn run(address: SocketAddr, statement: &str) -> String {
    let answer = post(address, statement);
    assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    answer.text()
}

/// Percent-encodes a text for the query part of an address.
pub fn encode(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

pub fn read_answer(stream: TcpStream) -> Answer {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let mut body = Vec::new();
    let complete = if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
        read_chunks(&mut reader, &mut body)
    } else {
        reader.read_to_end(&mut body).is_ok()
    };
    Answer { status, headers, body, complete }
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> bool {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        if reader.read_exact(&mut chunk).is_err() {
            return false;
        }
        if length == 0 {
            return true;
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

/// Another process with an engine of its own.
pub struct ChildEngine {
    pub child: Child,
    pub address: SocketAddr,
}

impl ChildEngine {
    /// Starts this test program again, to serve `data_dir`. The program must have an ignored test `child_process` that calls
    /// [`serve_as_child`].
    pub fn start(data_dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child_process", "--nocapture"])
            .env(CHILD_DIRECTORY, data_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.map_while(Result::ok).find_map(|line| line.split("ADDRESS ").nth(1).map(str::to_owned)).expect("the child did not start");
        Self { child, address: address.trim().parse().unwrap() }
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The child's side: serves until the other end of its standard input is gone.
pub fn serve_as_child(adjust: impl FnOnce(&mut EngineOptions)) {
    let directory = PathBuf::from(std::env::var_os(CHILD_DIRECTORY).expect("only for children of other tests"));
    let mut options = options(&directory);
    adjust(&mut options);
    let engine = Engine::start(options).unwrap_or_else(|error| panic!("{error}"));
    println!("ADDRESS {}", engine.local_addr());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
    drop(engine);
    // Nobody reads what the harness would still say.
    std::process::exit(0);
}

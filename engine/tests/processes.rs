//! What only whole processes show: crashes, locks, passwords and the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use common::{ChildEngine, encode, options, post, read_answer, request, run, serve_as_child};
use engine::{Credentials, Engine, EngineError, EngineOptions};

/// A process has room for one engine, so these tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn child_process() {
    serve_as_child(|_| {});
}

#[test]
fn what_was_answered_is_there_after_kill_9_and_broken_inserts_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let child = ChildEngine::start(directory.path());
    let address = child.address;
    run(address, "CREATE DATABASE d");
    run(address, "CREATE TABLE d.t (n UInt64) ENGINE = ReplacingMergeTree ORDER BY n");
    run(address, "CREATE VIEW d.v AS SELECT sum(n) AS s FROM d.t FINAL");
    run(address, "CREATE TABLE here (n UInt64) ENGINE = MergeTree ORDER BY n");
    let insert = format!("/?query={}", encode("INSERT INTO d.t FORMAT RowBinary"));
    let mut acknowledged = 0_u64;
    for round in 0..50_u64 {
        let rows: Vec<u8> = (round * 100..round * 100 + 100).flat_map(u64::to_le_bytes).collect();
        assert_eq!(request(address, "POST", &insert, &[], &rows).status, 200);
        acknowledged += 100;
    }
    run(address, "INSERT INTO here VALUES (7)");
    let mut open = TcpStream::connect(address).unwrap();
    write!(open, "POST {insert} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n").unwrap();
    open.write_all(&[1; 50_000]).unwrap();
    thread::sleep(Duration::from_millis(100));
    child.kill();

    let child = ChildEngine::start(directory.path());
    assert_eq!(run(child.address, "SELECT count(), uniqExact(n) FROM d.t"), format!("{acknowledged}\t{acknowledged}\n"));
    assert_eq!(run(child.address, "SELECT s FROM d.v"), format!("{}\n", acknowledged * (acknowledged - 1) / 2));
    assert_eq!(run(child.address, "SELECT n FROM here"), "7\n");
    child.kill();
}

#[test]
fn a_second_process_on_the_directory_is_refused_by_name_of_the_first() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let child = ChildEngine::start(directory.path());
    let error = Engine::start(options(directory.path())).unwrap_err();
    assert!(matches!(error, EngineError::DirectoryInUse { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", child.child.id())), "{error}");
    child.kill();
    let engine = Engine::start(options(directory.path())).unwrap();
    wait(engine.shutdown()).unwrap();
}

#[test]
fn one_process_runs_one_engine_and_then_another() {
    let _turn = turn();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let started = Instant::now();
    let engine = Engine::start(options(first.path())).unwrap();
    println!("open: {:?}, memory {:?}", started.elapsed(), engine::resident_memory_bytes());
    run(engine.local_addr(), "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n");
    assert!(matches!(Engine::start(options(second.path())), Err(EngineError::AlreadyRunning)));
    wait(engine.shutdown()).unwrap();
    let engine = Engine::start(options(second.path())).unwrap();
    assert_eq!(post(engine.local_addr(), "SELECT * FROM t").status, 404, "another directory, other tables");
    wait(engine.shutdown()).unwrap();
    let engine = Engine::start(options(first.path())).unwrap();
    assert_eq!(run(engine.local_addr(), "SELECT count() FROM t"), "0\n");
    wait(engine.shutdown()).unwrap();
}

#[test]
fn a_dropped_engine_lets_go_of_its_directory() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    drop(Engine::start(options(directory.path())).unwrap());
    let engine = Engine::start(options(directory.path())).unwrap();
    wait(engine.shutdown()).unwrap();
}

#[test]
fn the_user_and_password_are_asked_for() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let credentials = Credentials { user: "default".to_owned(), password: "s3cret".to_owned() };
    let engine = Engine::start(EngineOptions { credentials: Some(credentials), ..options(directory.path()) }).unwrap();
    let ask = |target: &str, headers: &[(&str, &str)]| request(engine.local_addr(), "POST", target, headers, b"SELECT 1");
    for answer in
        [ask("/", &[]), ask("/?password=wrong", &[]), ask("/", &[("X-ClickHouse-User", "default"), ("X-ClickHouse-Key", "s3cre")])]
    {
        assert_eq!((answer.status, answer.header("x-clickhouse-exception-code")), (403, "516"));
        assert!(answer.text().contains("Authentication failed") && !answer.text().contains("s3cret"));
    }
    assert_eq!(ask("/?user=default&password=s3cret", &[]).text(), "1\n");
    assert_eq!(ask("/", &[("Authorization", "Basic ZGVmYXVsdDpzM2NyZXQ=")]).text(), "1\n");
    assert_eq!(ask("/", &[("X-ClickHouse-User", "default"), ("X-ClickHouse-Key", "s3cret")]).text(), "1\n");
    wait(engine.shutdown()).unwrap();
}

#[test]
fn beyond_loopback_a_password_is_needed_and_a_missing_library_names_its_remedy() {
    let mut open = EngineOptions::new("/nowhere/libchdb.so".into(), "/nowhere".into());
    open.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(Engine::start(open), Err(EngineError::Unprotected { .. })));
    let error = Engine::start(EngineOptions::new("/nowhere/libchdb.so".into(), "/nowhere".into())).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("scripts/install-engine.sh") || matches!(error, EngineError::LibraryChanged { .. }), "{told}");
}

#[test]
fn shutdown_keeps_its_deadline_while_a_query_and_an_insert_run() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.limits.shutdown_timeout = Duration::from_secs(4);
    let engine = Engine::start(options).unwrap();
    let address = engine.local_addr();
    run(address, "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n");
    let query = thread::spawn(move || post(address, "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"));
    let insert = format!("/?query={}", encode("INSERT INTO t FORMAT RowBinary"));
    let mut open = TcpStream::connect(address).unwrap();
    write!(open, "POST {insert} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 800\r\n\r\n").unwrap();
    open.write_all(&[1; 400]).unwrap();
    thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    let stopped = wait(engine.shutdown());
    println!("shutdown: {stopped:?} after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_millis(4500));
    stopped.unwrap();
    let answer = query.join().unwrap();
    assert_eq!(answer.header("x-clickhouse-exception-code"), "394", "{}", answer.text());
    assert_ne!(read_answer(open).status, 200, "an insert that was stopped is not acknowledged");
    reopen_and_count(directory.path());
}

fn reopen_and_count(directory: &Path) {
    let engine = Engine::start(options(directory)).unwrap();
    assert_eq!(run(engine.local_addr(), "SELECT count() FROM t"), "0\n");
    wait(engine.shutdown()).unwrap();
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

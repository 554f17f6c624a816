//! Every bound of the front, reached.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::{post, read_answer, request, run, serve_as_child, shared_engine};

/// One test at a time: places are what they compete for.
static TURN: Mutex<()> = Mutex::new(());

fn address() -> SocketAddr {
    shared_engine()
}

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn child_process() {
    serve_as_child(|options| {
        options.limits.max_body_bytes = 200 << 20;
        options.limits.max_running = 4;
        options.limits.max_waiting = 8;
    });
}

#[test]
fn beyond_the_places_statements_are_refused_with_503() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let statement = "SELECT sleepEachRow(0.5) FROM numbers(3) SETTINGS max_block_size = 1 FORMAT Null";
    let asked: Vec<_> = (0..20).map(|_| thread::spawn(move || post(address(), statement))).collect();
    let answers: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!refused.is_empty() && refused.len() < 20, "{} of 20 refused", refused.len());
    assert!(refused.iter().all(|answer| answer.header("x-clickhouse-exception-code") == "202"));
}

#[test]
fn an_oversize_body_is_refused_before_and_while_it_comes() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let answer = {
        let mut stream = TcpStream::connect(address()).unwrap();
        write!(stream, "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 300000000\r\n\r\n").unwrap();
        read_answer(stream)
    };
    assert_eq!((answer.status, answer.header("x-clickhouse-exception-code")), (413, "229"));
    let long = format!("SELECT 1 -- {}", "x".repeat(300 * 1024));
    assert_eq!(post(address(), &long).status, 413);
    let headers: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let mut stream = TcpStream::connect(address()).unwrap();
    write!(stream, "GET /ping HTTP/1.1\r\n{headers}\r\n").unwrap();
    assert_eq!(read_answer(stream).status, 431);
}

#[test]
fn a_statement_whose_client_leaves_is_stopped() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 12345";
    let mut stream = TcpStream::connect(address()).unwrap();
    write!(stream, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{endless}", endless.len()).unwrap();
    thread::sleep(Duration::from_millis(300));
    let running = "SELECT count() FROM system.processes WHERE query LIKE '%= 12345%' AND query NOT LIKE '%processes%'";
    assert_eq!(run(address(), running), "1\n");
    drop(stream);
    let started = Instant::now();
    while run(address(), running) != "0\n" {
        assert!(started.elapsed() < Duration::from_secs(10), "it still runs");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_statement_that_takes_too_long_ends_with_code_159() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let endless = b"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1";
    let answer = request(address(), "POST", "/?max_execution_time=1", &[], endless);
    assert_eq!((answer.status, answer.header("x-clickhouse-exception-code")), (408, "159"), "{}", answer.text());
}

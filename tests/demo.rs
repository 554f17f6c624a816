//! The demo as a visitor runs it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cost-rhythm");
const FREE: [&str; 4] = ["--engine", "127.0.0.1:0", "--listen", "127.0.0.1:0"];

#[test]
fn the_demo_replays_audits_itself_and_exits_with_0() {
    let output = Command::new(PROGRAM).args(["demo", "--events", "30000", "--exit"]).args(FREE).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(" 0 differences") && text.contains("Offsets in 30000 = counted"), "{text}");
}

#[test]
fn the_live_demo_ends_in_order_on_ctrl_c() {
    let mut child =
        Command::new(PROGRAM).args(["demo", "--events", "2000"]).args(FREE).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("this hour") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended before it was live");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let begun = Instant::now();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(begun.elapsed() < Duration::from_secs(30) && rest.contains("Ending in order"), "{rest}");
}

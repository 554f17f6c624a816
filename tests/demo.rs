//! The demo as a visitor runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[allow(dead_code, unreachable_pub, reason = "it is made for the tests of the page")]
#[path = "../console/tests/console/devtools.rs"]
mod devtools;
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use devtools::Browser;

use schemas::alert::{Alert, AlertState};
use schemas::calendar::Window;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};
use schemas::{Currency, Timestamp};
use sinks::clickhouse::{ClickHouse, ClickHouseOptions};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cost-rhythm");
const FREE: [&str; 4] = ["--engine", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
/// Of the incident, and of the day in which it is.
const TOUCHED: [&str; 6] =
    ["total", "provider=anthropic", "provider=anthropic,model=claude-3-opus", "feature=code_review", "user_id=u-1404", ""];

/// The last 20:40 UTC: always the same hours of the day, so the same sums.
fn evening() -> Timestamp {
    let now = jiff::Timestamp::now().as_microsecond();
    let time_of_day = 20 * HOUR_US + 40 * MINUTE_US;
    Timestamp::from_micros((now - time_of_day).div_euclid(DAY_US) * DAY_US + time_of_day)
}

fn replay(end: Timestamp, data: &Path, more: &[&str]) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--events", "30000", "--exit", "--end", &end.to_string(), "--path", data.to_str().unwrap()]).args(FREE);
    let output = command.args(more).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(" 0 differences"), "{text}");
    text
}

/// Rule, scope, period, state, threshold, id of every alert.
const ALERTS: &str = "SELECT rule, scope, period, state, toString(threshold), id FROM cost_rhythm.alerts";
/// Who saw the incident, and the narrowest scope among them, as the view says.
const INCIDENT: &str =
    "SELECT state, level, scope, arrayStringConcat(arraySort(arrayPushBack(arrayMap(c -> c.1, contributors), scope)), ' ') AS seen_by, started_at, ended_at
    FROM cost_rhythm.incidents WHERE seen_by LIKE '%feature=code_review%'";

fn rows(directory: &Path, sql: &str) -> BTreeSet<[String; 6]> {
    let engine = support::Engine::start(directory);
    let url = format!("http://127.0.0.1:{}", engine.port);
    let server = ClickHouse::new(ClickHouseOptions { url, ..ClickHouseOptions::default() }).unwrap();
    let rows = tokio::runtime::Runtime::new().unwrap().block_on(server.query_rows(sql, "TabSeparated"));
    rows.unwrap().lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()).collect()
}

#[test]
fn the_replay_audits_itself_and_the_incident_in_it_is_found_and_resolved_and_changes_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (eventful, calm) = (directory.path().join("eventful"), directory.path().join("calm"));
    let end = evening();
    let text = replay(end, &eventful.join("clickhouse"), &[]);
    let calm_text = replay(end, &calm.join("clickhouse"), &["--calm"]);
    assert!(calm_text.contains("Offsets in 30000 = counted") && !calm_text.contains("incident"), "{calm_text}");
    let line = |of: &str| text.lines().find(|line| line.trim_start().starts_with(of)).unwrap_or_else(|| panic!("{of}\n{text}")).to_owned();
    assert!(line("began").contains("13:10Z  code_review calls claude-3-opus"), "{text}");
    assert!(line("stopped").contains("15:20Z  200 calls have cost 286.6833 USD"), "{text}");
    assert!(line("Offsets in").starts_with("Offsets in 30200 = counted"), "{text}");
    assert!(line("resolved").contains("after it was stopped"), "{text}");
    assert!(line("explained").contains("feature=code_review has spent "), "{text}");

    let (with, without) = (rows(&eventful, ALERTS), rows(&calm, ALERTS));
    assert_eq!(rows(&calm, INCIDENT), BTreeSet::new());
    let incidents: Vec<[String; 6]> = rows(&eventful, INCIDENT).into_iter().collect();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!(incidents[0][..2], ["resolved", "critical"]);
    assert_eq!(
        incidents[0][3], "feature=code_review provider=anthropic provider=anthropic,model=claude-3-opus total",
        "one cause, seen by four"
    );
    assert!(["feature=code_review", "provider=anthropic,model=claude-3-opus"].contains(&incidents[0][2].as_str()), "{incidents:?}");
    let hour = end.plus(-(7 * HOUR_US + 40 * MINUTE_US));
    let window = Window { start: hour, end: hour.plus(HOUR_US) };
    let period = format!("{}Z", &hour.to_string()[..16]);
    for scope in &TOUCHED[..4] {
        let of_scope = |state: AlertState| {
            let spike = with.iter().find(|row| row[..4] == ["spike", scope, &period, state.name()]);
            let row = spike.unwrap_or_else(|| panic!("no {} spike of {scope} in {with:#?}", state.name()));
            let about = Alert { state, threshold: row[4].parse().unwrap(), ..Alert::about("spike", scope, &period, window, Currency::USD) };
            assert_eq!(row[5], about.id());
            row[5].clone()
        };
        let ids = [AlertState::Fired, AlertState::Escalated, AlertState::Resolved].map(of_scope);
        assert_eq!(line("see").contains(&ids[0]), *scope == "feature=code_review", "{text}");
    }
    assert!(with.iter().any(|row| row[..2] == ["user-daily", "user_id=u-1404"] && row[3] == "fired"), "{with:#?}");

    let begins = hour.to_string();
    let mut elsewhere = with.symmetric_difference(&without).filter(|row| !TOUCHED.contains(&row[1].as_str()) || *row[2] < begins[..10]);
    assert_eq!(elsewhere.next(), None, "an alert that has nothing to do with the incident");
}

/// What the terminal says, as it says it.
struct Terminal {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(more: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        let mut child = command.arg("demo").args(more).args(FREE).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (reader, written) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                *written.lock().unwrap() += &format!("{line}\n");
            }
        });
        Terminal { child, said }
    }

    fn text(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn until(&mut self, expected: &str) {
        support::await_true(Duration::from_secs(120), expected, || self.text().contains(expected));
    }

    /// Presses Ctrl-C; how long it took to end in order.
    fn interrupt(&mut self) -> Duration {
        let begun = Instant::now();
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.text());
        begun.elapsed()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Pictures are written to `target/tmp/page`.
#[test]
fn a_visitor_sees_the_incident_begin_be_told_explained_and_resolved_before_the_present() {
    let mut terminal = Terminal::start(&["--hour", "4"]);
    terminal.until("The agent has begun");
    let text = terminal.text();
    let page = text.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    let mut browser = Browser::start();
    browser.look(1280, 900, "light");
    browser.open(&format!("{page}?alerts=open"));
    let item = |state: &str| {
        format!(
            "[...document.querySelectorAll('#alerts .alert')].find((row) => row.innerText.includes('spike · feature code_review') && row.querySelector('.pill').innerText === '{state}')"
        )
    };
    // Around midnight the ends of days stand before it.
    let seen = |state: &str| format!("!!{} || (document.querySelector('[data-key=more-alerts]')?.click(), false)", item(state));
    browser.until(&seen("critical"), 30);
    let [text, id] = ["innerText", "dataset.key"].map(|what| browser.text(&format!("{}.{what}", item("critical"))));
    assert!(text.contains("feature=code_review has spent "), "{text}");
    browser.until("document.querySelectorAll('.placeholder').length === 0", 10);
    browser.picture("incident.png", 1280, 1530);
    browser.open(&format!("{page}alerts/{id}"));
    browser.until("document.querySelector('#alert-dialog[open] .life') !== null", 10);
    let life = browser.text("document.querySelector('#alert-dialog').innerText");
    assert!(life.contains("It is rare by") && life.contains("fired at $") && life.contains("escalated at $"), "{life}");
    browser.picture("incident-alert.png", 1280, 900);
    terminal.until("Now live");
    browser.open(&page);
    browser.until(&seen("resolved"), 30);
    browser.until("[...document.querySelectorAll('#incidents li')].some((row) => row.innerText.includes('feature code_review') && row.innerText.includes('Also seen in'))", 30);
    browser.eval(
        "[...document.querySelectorAll('#incidents button.alert')].find((row) => row.innerText.includes('feature code_review')).click()",
    );
    browser.until("document.querySelector('#alert-dialog[open]')?.innerText.includes('spike') ?? false", 10);
    browser.eval("document.querySelector('#alert-dialog').close()");
    assert_eq!(browser.complaints(), Vec::<String>::new(), "the console is clean");
    browser.until("document.querySelectorAll('.placeholder').length === 0", 10);
    browser.picture("incident-over.png", 1280, 1530);
    terminal.until("this hour");
    terminal.interrupt();

    let text = terminal.text();
    assert!(text.contains("fired        warning   spike · feature=code_review\n"), "{text}");
    let mut rest = text.as_str();
    for expected in [
        "Replayed, priced",
        "Now slowly: the last hours before the present, an hour in 4 seconds",
        "The agent has begun",
        // Whichever scope is told first is explained.
        "fired        warning   spike · ",
        " has spent ",
        "/alerts/",
        "escalated    critical  spike · feature=code_review",
        "The agent is stopped",
        "resolved     info      spike · feature=code_review",
        "The incident (event time):",
        "  told ",
        "Now live",
    ] {
        let (_, after) = rest.split_once(expected).unwrap_or_else(|| panic!("no {expected:?} in what follows of\n{text}"));
        rest = after;
    }
}

#[test]
fn the_live_demo_ends_in_order_on_ctrl_c() {
    let mut terminal = Terminal::start(&["--events", "2000", "--calm"]);
    terminal.until("this hour");
    assert!(terminal.interrupt() < Duration::from_secs(30) && terminal.text().contains("Ending in order"), "{}", terminal.text());
}

#[test]
fn a_pace_and_an_end_that_cannot_be_are_refused() {
    for (arguments, expected) in
        [(["--hour", "0"], "expected 0.01 to 3600 seconds"), (["--end", "2100-01-01T00:00:00Z"], "CR-4202: --end is 2100-01-01T00:00:00Z")]
    {
        let output = Command::new(PROGRAM).arg("demo").args(arguments).args(FREE).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(expected), "{text}");
    }
}

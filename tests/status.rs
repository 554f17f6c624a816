//! `cost-rhythm status` on the real engine.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::Path;
use std::process::Output;

use schemas::budget::CountedBudget;
use sinks::clickhouse::{ClickHouse, ClickHouseOptions};
use support::Engine;
use tokio::runtime::Runtime;

struct Stand {
    engine: Engine,
    runtime: Runtime,
    directory: tempfile::TempDir,
}

impl Stand {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Stand { engine: Engine::start(directory.path()), runtime: Runtime::new().unwrap(), directory }
    }

    /// A migrated database with rows, and the file of its configuration.
    fn database(&self, name: &str, statements: &[String]) -> std::path::PathBuf {
        let url = self.engine.url();
        self.engine.filled(&self.runtime, name, statements);
        let file = self.directory.path().join(format!("{name}.toml"));
        let text = format!(
            "[clickhouse]\nurl = \"{url}\"\ndatabase = \"{name}\"\n[budgets]\nfiles = [\"budgets/llm_platform.toml\", \"budgets/canary.toml\"]\n"
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    fn status(&self, config: &Path, more: &[&str]) -> Output {
        let mut command = std::process::Command::new(support::PROGRAM);
        command.args(["status", "--config", config.to_str().unwrap()]).args(more).current_dir(self.directory.path());
        command.output().unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Events of the hour before the running one.
fn events(minutes_ago: u32) -> String {
    format!(
        "INSERT INTO rollups (granularity, `set`, window_start, `values`, events, calls, unpriced_events, cost, first_event_at, last_event_at) \
         SELECT 'hour', 'total', toStartOfHour(now() - INTERVAL {minutes_ago} MINUTE), [], 40, 40, 3, toDecimal128('12.5', 18), \
         now64(6) - INTERVAL {minutes_ago} MINUTE, now64(6) - INTERVAL {minutes_ago} MINUTE"
    )
}

/// The newest row of a scope's rhythm, of the hour that ended so long ago, and an older one.
fn rhythm(scope: &str, state: &str, hours_ago: u32) -> String {
    let code = ["CHAOTIC", "DISSONANT", "RESONANT"].iter().position(|known| *known == state);
    let code = code.map_or("NULL".to_owned(), |code| code.to_string());
    format!(
        "INSERT INTO rhythm_rows SELECT '{scope}', toStartOfHour(now()) - INTERVAL {hours_ago} + number HOUR, '12.5', '12', 0.93, 0.9, 0.2, \
         if(number = 0, '{state}', 'CHAOTIC'), if(number = 0, {code}, 0), 7 - number FROM numbers(2)"
    )
    .replace("+ number HOUR", "HOUR - toIntervalHour(number)")
}

/// A budget's running period with a forecast of `share` times its limit of 200.
fn budget(name: &str, scope: &str, share: &str) -> String {
    format!(
        "INSERT INTO budget_rows SELECT '{name}', '{scope}', 'p', now() - INTERVAL 1 DAY, now() + INTERVAL 1 DAY, 'USD', toDecimal128('90.000000000000000001', 18), \
         toDecimal128('200', 18), toDecimal128('200', 18) * toDecimal128('{share}', 2), '', 1"
    )
}

#[test]
fn the_exit_code_is_the_state_of_the_worst_scope_that_can_be_judged() {
    let stand = Stand::start();
    let resonant =
        stand.database("resonant", &[events(20), rhythm("total", "RESONANT", 1), rhythm("budget:canary-monthly", "LEARNING", 1)]);
    let output = stand.status(&resonant, &[]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).starts_with("RESONANT: the worst of 1 judged is total ("), "{}", text(&output));
    assert!(text(&output).contains("of them 3 without a known price"), "{}", text(&output));

    let canary = budget("canary-monthly", "", "0.50");
    let rows = [events(20), rhythm("total", "RESONANT", 1), rhythm("budget:canary-monthly", "DISSONANT", 1), canary.clone()];
    let dissonant = stand.database("dissonant", &rows);
    assert_eq!(code(&stand.status(&dissonant, &[])), 1);
    assert_eq!(code(&stand.status(&dissonant, &["--scope", "total"])), 0);
    assert_eq!(
        code(&stand.status(&dissonant, &["--scope", "total", "--scope", "provider=openai"])),
        3,
        "asked for by name, it must be judged"
    );

    let rows = [events(20), rhythm("total", "DISSONANT", 1), rhythm("budget:canary-monthly", "CHAOTIC", 1), canary];
    assert_eq!(code(&stand.status(&stand.database("chaotic", &rows), &[])), 2);

    // No judgement is not a good one.
    for (name, rows, why) in [
        ("nothing", vec![], "no data"),
        ("stale", vec![events(300), rhythm("total", "RESONANT", 5)], "stale: the newest event is 5 h"),
        ("old_rhythm", vec![events(20), rhythm("total", "RESONANT", 5)], "stale: the newest hour ended 4 h"),
        ("learning", vec![events(20), rhythm("total", "LEARNING", 1)], "learning"),
        ("idle", vec![events(20), rhythm("total", "IDLE", 1)], "idle"),
    ] {
        let output = stand.status(&stand.database(name, &rows), &[]);
        assert_eq!(code(&output), 3, "{name}: {}", text(&output));
        assert!(text(&output).starts_with("NO JUDGEMENT: ") && text(&output).contains(why), "{name}: {}", text(&output));
    }
    assert_eq!(code(&stand.status(&stand.directory.path().join("stale.toml"), &["--stale-after", "600"])), 0);

    let away = stand.directory.path().join("away.toml");
    std::fs::write(&away, "[clickhouse]\nurl = \"http://127.0.0.1:1\"\ntimeout = \"2s\"\n").unwrap();
    let output = stand.status(&away, &["--state-file", "away.json"]);
    assert_eq!(code(&output), 3);
    assert!(text(&output).contains("CR-6001"), "{}", text(&output));
    assert!(!stand.directory.path().join("away.json").exists(), "no proof without a judgement's ground");
}

#[test]
fn a_judgement_is_proved_by_a_state_file_and_a_report() {
    let stand = Stand::start();
    let users: Vec<String> = (0..12).map(|user| budget("llm-user-daily", &format!("user_id=u_{user}"), "0.10")).collect();
    let mut rows = vec![
        events(20),
        rhythm("total", "CHAOTIC", 1),
        rhythm("budget:canary-monthly", "CHAOTIC", 9),
        budget("llm-daily", "", "1.20"),
        budget("canary-monthly", "", "1.50"),
        "INSERT INTO budget_rows SELECT 'llm-monthly', '', '2026-10', now() - INTERVAL 9 DAY, now() - INTERVAL 1 DAY, 'USD', 300, 200, 300, 'critical', 1".to_owned(),
        "INSERT INTO alert_rows (id, rule, scope, period, level, state, occurred_at, data) VALUES \
         ('1', 'spike', 'total', 'a', 'warning', 'fired', now64(6) - 100, '{\"explanation\":\"10 | twenty\"}'), \
         ('2', 'spike', 'total', 'a', 'critical', 'escalated', now64(6) - 50, '{\"explanation\":\"30 | forty\"}'), \
         ('3', 'spike', 'team=a', 'a', 'warning', 'fired', now64(6) - 90, '{}'), ('4', 'spike', 'team=a', 'a', 'info', 'resolved', now64(6) - 40, '{}')"
            .to_owned(),
    ];
    rows.extend(users);
    // The monitor has judged one budget in the last closed hour, and another long ago.
    let pace = |budget: &str, hours_ago: u32| {
        format!(
            "INSERT INTO pace_rows SELECT '{budget}', '', 'p', now() - INTERVAL 1 DAY, now() + INTERVAL 1 DAY, toStartOfHour(now()) - INTERVAL {hours_ago} HOUR, 'USD', '90', '200', '231.5', '199.25',
             '260', '240', toStartOfHour(now()) + INTERVAL 5 HOUR, 'ROLLBACK', 0.75, 41.5, NULL, NULL, 3, 'CHAOTIC', 1"
        )
    };
    rows.extend([pace("llm-paced", 1), budget("llm-paced", "", "1.20"), pace("llm-daily", 9)]);
    let config = stand.database("proof", &rows);
    let output = stand.status(&config, &["--json", "--state-file", "state.json", "--report", "report.md"]);
    assert_eq!(code(&output), 2, "{}", text(&output));
    let file = |name: &str| std::fs::read_to_string(stand.directory.path().join(name)).unwrap();
    let state = file("state.json");
    assert_eq!(state, String::from_utf8_lossy(&output.stdout));

    // Anybody can check it, without this program.
    let hash = "printf %s \"$(jq -r .sha256 state.json)\"; jq -cj .judgement state.json | sha256sum";
    let hashed = std::process::Command::new("bash").args(["-c", hash]).current_dir(stand.directory.path()).output().unwrap();
    let hashed = String::from_utf8_lossy(&hashed.stdout).into_owned();
    let (told, counted) = hashed.split_at(64);
    assert_eq!(told, &counted[..64]);
    assert!(file("report.md").contains(told));

    let document: serde_json::Value = serde_json::from_str(&state).unwrap();
    let judgement = &document["judgement"];
    assert_eq!(judgement["verdict"]["state"], "CHAOTIC");
    let of = |budget: &str| judgement["budgets"].as_array().unwrap().iter().filter(|b| b["budget"] == budget).cloned().collect::<Vec<_>>();
    let daily = &of("llm-daily")[0];
    assert_eq!(
        (&daily["action"], &daily["forecast"], &daily["spent"]),
        (&"EMERGENCY_STOP".into(), &"240".into(), &"90.000000000000000001".into())
    );
    let paced = &of("llm-paced")[0];
    assert_eq!((&paced["action"], &paced["forecast"], &paced["forecast_basis"]), (&"ROLLBACK".into(), &"231.5".into(), &"pace".into()));
    assert_eq!(
        (&paced["forecast_range"], &paced["confidence"], &paced["gate_score"]),
        (&serde_json::json!(["199.25", "260"]), &0.75.into(), &41.5.into())
    );
    assert_eq!(daily["forecast_basis"], "straight_line", "a pace of nine hours ago is none of now");
    assert_eq!(of("canary-monthly")[0]["action"], "SCALE_DOWN", "chaos of nine hours ago is none of now");
    assert_eq!(of("llm-monthly")[0]["action"], "NONE", "its period is over");
    assert_eq!((of("llm-user-daily").len(), &of("llm-user-daily")[0]["scopes"]), (10, &12.into()));
    let alerts = judgement["open_alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["level"], "critical");

    let report = file("report.md");
    assert!(report.starts_with("# Cost Rhythm: CHAOTIC\n") && report.contains("| 30 \\| forty |"), "{report}");
    assert!(text(&stand.status(&config, &[])).contains("llm-user-daily: 2 more scopes, which have used less"));

    // Nothing is left beside the files, and one that cannot be written is an error.
    assert!(
        !std::fs::read_dir(stand.directory.path()).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(".cost"))
    );
    let output = stand.status(&config, &["--state-file", "no/such/directory/state.json"]);
    assert_eq!(code(&output), 3);
    assert!(text(&output).contains("CR-6003"), "{}", text(&output));
}

#[test]
fn budgets_that_are_configured_elsewhere_are_judged_by_the_set_that_counts_them() {
    let stand = Stand::start();
    let rows = [
        events(20),
        rhythm("total", "DISSONANT", 1),
        rhythm("user_id=u_1", "CHAOTIC", 1),
        rhythm("budget:bedrock", "RESONANT", 1),
        budget("others-daily", "", "1.20"),
        budget("others-user", "user_id=u_1", "1.20"),
        budget("bedrock", "", "0.50"),
    ];
    let config = stand.database("elsewhere", &rows);
    let states = || {
        let output = stand.status(&config, &["--json"]);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let state = |name: &str| {
            let budgets = document["judgement"]["budgets"].as_array().unwrap();
            budgets.iter().find(|budget| budget["budget"] == name).unwrap()["state"].clone()
        };
        ["others-daily", "others-user", "bedrock"].map(state)
    };
    let no_state = serde_json::Value::Null;
    assert_eq!(states(), [no_state.clone(), no_state, "RESONANT".into()], "nobody says which set counts them");
    let url = format!("http://127.0.0.1:{}", stand.engine.port);
    let server = ClickHouse::new(ClickHouseOptions { url, database: "elsewhere".to_owned(), ..ClickHouseOptions::default() }).unwrap();
    let definition = |name: &str, set: &str| CountedBudget { name: name.to_owned(), set: set.to_owned(), is_rolling: false };
    let definitions = [definition("others-daily", "total"), definition("others-user", "user"), definition("bedrock", "budget:bedrock")];
    stand.runtime.block_on(async { server.publish_budgets(&definitions).await.unwrap() });
    assert_eq!(states(), ["DISSONANT".into(), "CHAOTIC".into(), serde_json::Value::from("RESONANT")]);
}

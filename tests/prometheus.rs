//! Our metrics and rules in the real Prometheus and Alertmanager.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use support::{Engine, Kafka, Process, Site, await_true, free_port};

/// Where Debian's programs are.
const PROGRAMS: &str = "/usr/bin";

fn program(name: &str) -> Command {
    let path = Path::new(PROGRAMS).join(name);
    assert!(path.exists(), "{} is missing: run `make deps-prometheus`", path.display());
    Command::new(path)
}

fn rules(file: &str) -> String {
    format!("{}/docker/prometheus/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn check(name: &str, arguments: &[&str]) {
    let output = program(name).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {arguments:?}: {text}");
}

#[test]
fn promtool_and_amtool_accept_what_is_shipped_and_the_rules_do_what_they_say() {
    check("promtool", &["check", "config", &rules("prometheus.yml")]);
    check("promtool", &["test", "rules", &rules("rules_test.yml")]);
    check("amtool", &["check-config", &rules("alertmanager.yml")]);
}

/// A budget of 10 dollars a month for one team.
const BUDGET: &str = "[[budget]]\nname = \"team-monthly\"\nlimit = \"10\"\nfilter = { team = \"core\" }\nwindow = \"monthly\"\n\
    thresholds = [{ at = \"1.00\", level = \"critical\" }]\n";

struct Stand {
    directory: PathBuf,
}

impl Stand {
    fn start(&self, name: &str, arguments: &[&str]) -> Process {
        let log = std::fs::File::create(self.directory.join(format!("{name}.log"))).unwrap();
        let mut command = program(name);
        Process(command.args(arguments).current_dir(&self.directory).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }
}

fn get(url: &str) -> Option<Value> {
    let output = Command::new("curl").args(["--silent", "--globoff", "--max-time", "5", url]).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// Active alerts of ours that Alertmanager has, by name.
fn alerts(alertmanager: u16) -> Option<Vec<Value>> {
    let found = get(&format!("http://127.0.0.1:{alertmanager}/api/v2/alerts?filter=budget%3D%22team-monthly%22"))?;
    found.as_array().cloned()
}

#[test]
fn a_cost_alert_arrives_in_alertmanager_and_resolves() {
    let directory = tempfile::tempdir().unwrap();
    let stand = Stand { directory: directory.path().to_owned() };
    let kafka = Kafka::start_without_registry(directory.path());
    let engine = Engine::start(directory.path());
    let site = Site::new(directory.path(), "prom", &kafka, &engine, "");
    let text = std::fs::read_to_string(&site.config).unwrap();
    let budgets = directory.path().join("budget.toml");
    std::fs::write(&budgets, BUDGET).unwrap();
    let text: Vec<&str> = text.lines().map(|line| if line.starts_with("files = ") { "files = [\"budget.toml\"]" } else { line }).collect();
    std::fs::write(&site.config, text.join("\n")).unwrap();

    let (service, prometheus, alertmanager) = (free_port(), free_port(), free_port());
    let log = std::fs::File::create(directory.path().join("service.log")).unwrap();
    let mut command = site.command("run");
    command.env("COST_RHYTHM__HTTP__LISTEN", format!("127.0.0.1:{service}")).stdout(Stdio::null()).stderr(log);
    let _service = Process(command.spawn().unwrap());

    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{:?}, {:?}]\nalerting: {{alertmanagers: [{{static_configs: [{{targets: [\"127.0.0.1:{alertmanager}\"]}}]}}]}}\n\
         scrape_configs: [{{job_name: cost-rhythm, static_configs: [{{targets: [\"127.0.0.1:{service}\"]}}]}}]\n",
        rules("recording.yml"),
        rules("alerts.yml")
    );
    std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
    let listen = |port: u16| format!("--web.listen-address=127.0.0.1:{port}");
    let _alertmanager = stand.start(
        "prometheus-alertmanager",
        &[
            &format!("--config.file={}", rules("alertmanager.yml")),
            "--storage.path=alertmanager",
            "--cluster.listen-address=",
            &listen(alertmanager),
        ],
    );
    let _prometheus = stand.start(
        "prometheus",
        &["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--rules.alert.resend-delay=2s", &listen(prometheus)],
    );
    await_true(Duration::from_secs(120), "the service is ready", || {
        let ready = Command::new("curl").args(["--silent", "--fail", &format!("http://127.0.0.1:{service}/readyz")]).output().unwrap();
        ready.status.success()
    });
    await_true(Duration::from_secs(60), "alertmanager answers", || alerts(alertmanager).is_some_and(|alerts| alerts.is_empty()));

    // Twelve dollars by a call whose producer knows the cost.
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let topic = format!("{}usage-events", site.prefix);
    let send = |id: &str, rest: &str| {
        let now = schemas::Timestamp::from_millis(
            i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap(),
        );
        let event = format!(r#"{{"event_id":"{id}","source":"test","occurred_at":"{now}","team":"core",{rest}}}"#);
        producer.send(BaseRecord::to(&topic).key(id).payload(&event)).map_err(|(error, _)| error).unwrap();
        producer.flush(Duration::from_secs(20)).unwrap();
    };
    send(
        "call-1",
        r#""kind":"llm","provider":"acme","model":"acme-1","input_tokens":1200,"output_tokens":30,"amount":"12","currency":"USD""#,
    );
    let named = |name: &str| {
        alerts(alertmanager)
            .unwrap_or_default()
            .into_iter()
            .find(|alert| alert["labels"]["alertname"] == name && alert["status"]["state"] == "active")
    };
    await_true(Duration::from_secs(90), "the alert arrives", || named("BudgetUsedUp").is_some());
    let alert = named("BudgetUsedUp").unwrap();
    assert_eq!((&alert["labels"]["level"], &alert["labels"]["scope"]), (&"critical".into(), &"total".into()));
    assert_eq!(alert["annotations"]["summary"], "Budget team-monthly (total): 120% used");

    // What Prometheus has read is what was spent.
    let asked = |query: &str| {
        let found = get(&format!("http://127.0.0.1:{prometheus}/api/v1/query?query={query}")).unwrap_or_default();
        found["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    let of = "{provider=\"acme\",model=\"acme-1\"}";
    for (query, value) in [
        (format!("llm_total_cost_usd{of}"), "12"),
        (format!("sum(llm_api_calls_total{of})"), "1"),
        (format!("llm_token_usage_sum{}", of.replace('}', ",kind=\"uncached_input\"}")), "1200"),
        (format!("llm_token_usage_bucket{}", of.replace('}', ",kind=\"uncached_input\",le=\"2000.0\"}")), "1"),
        (format!("llm_cost_per_hour_usd{of}"), "12"),
        ("budget_usage_ratio{budget=\"team-monthly\"}".to_owned(), "1.2"),
    ] {
        await_true(Duration::from_secs(20), &format!("{query} is {value}"), || asked(&query).as_deref() == Some(value));
    }

    // A credit brings the month back to half of the budget.
    send("credit-1", r#""kind":"cost","service":"refund","amount":"-7","currency":"USD""#);
    await_true(Duration::from_secs(90), "the alert resolves", || named("BudgetUsedUp").is_none());
    assert_eq!(asked("budget_usage_ratio{budget=\"team-monthly\"}").as_deref(), Some("0.5"));
}

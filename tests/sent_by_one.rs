//! What one instance sends for all, reports on a schedule and incidents: `cost-rhythm run` over librdkafka's in-process broker and the real engine.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ingest::kafka::embedded::EmbeddedBroker;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use schemas::GroupingSet;
use sinks::clickhouse::{ClickHouse, ClickHouseOptions};
use support::{Engine, Process};

const ZONE: &str = "Asia/Seoul";
/// Longer than the service needs to look at its schedule again.
const A_FEW_LOOKS: Duration = Duration::from_secs(13);

/// What stands on the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    key: String,
    content_type: String,
    payload: Vec<u8>,
}

impl Record {
    fn event(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

struct Stand {
    broker: EmbeddedBroker,
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
}

impl Stand {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let broker = EmbeddedBroker::start().unwrap();
        for (topic, partitions) in [("usage-events", 2), ("rollup-partials", 2), ("usage-events-dlq", 1), ("cost-alerts", 1)] {
            broker.create_topic(topic, partitions).unwrap();
        }
        let stand = Stand { broker, engine: Engine::start(directory.path()), runtime: tokio::runtime::Runtime::new().unwrap(), directory };
        stand.runtime.block_on(async { stand.server().migrate(&GroupingSet::defaults()).await.unwrap() });
        stand
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.engine.port)
    }

    fn server(&self) -> ClickHouse {
        ClickHouse::new(ClickHouseOptions { url: self.url(), ..ClickHouseOptions::default() }).unwrap()
    }

    fn execute(&self, statement: &str) {
        self.runtime.block_on(async { self.server().execute(statement).await.unwrap() });
    }

    fn config(&self, schedule: &str) -> PathBuf {
        let file = self.directory.path().join("config.toml");
        let text = format!(
            "[kafka]\nbrokers = \"{}\"\nsession_timeout = \"6s\"\n[clickhouse]\nurl = \"{}\"\n[state]\nurl = \"state\"\n[http]\nlisten = \"127.0.0.1:0\"\n[run]\nshutdown_grace = \"4s\"\n[windows]\ntime_zone = \"{ZONE}\"\n[report]\nschedule = [{schedule}]\n",
            self.broker.brokers(),
            self.url()
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    fn run(&self, config: &Path, instance: &str) -> Process {
        let log = std::fs::File::create(self.directory.path().join(format!("{instance}.log"))).unwrap();
        let mut command = Command::new(support::PROGRAM);
        command.args(["run", "--config", config.to_str().unwrap()]);
        Process(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn log(&self, instance: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(format!("{instance}.log"))).unwrap_or_default()
    }

    /// Waits until an instance owns what makes it the sender.
    fn await_sender(&self, instance: &str) {
        support::await_true(Duration::from_secs(90), &format!("{instance} owns partition 0: {}", self.log(instance)), || {
            let log = self.log(instance);
            let Some(address) = log.split("http=").nth(1).and_then(|rest| rest.split_whitespace().next()) else { return false };
            let output = Command::new("curl").args(["--silent", &format!("http://{address}/metrics")]).output().unwrap();
            let metrics = String::from_utf8_lossy(&output.stdout).into_owned();
            metrics
                .lines()
                .any(|line| line.contains("lag_messages") && line.contains("stage=\"monitor\"") && line.contains("partition=\"0\""))
        });
    }

    /// Everything on the topic of alerts.
    fn records(&self) -> Vec<Record> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.broker.brokers())
            .set("group.id", "reader")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("cost-alerts", 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut records = Vec::new();
        loop {
            match consumer.poll(Duration::from_secs(5)) {
                Some(Ok(message)) => records.push(Record {
                    key: String::from_utf8_lossy(message.key().unwrap()).into_owned(),
                    content_type: String::from_utf8_lossy(message.headers().unwrap().get(0).value.unwrap()).into_owned(),
                    payload: message.payload().unwrap().to_vec(),
                }),
                Some(Err(_)) | None => return records,
            }
        }
    }

    fn await_records(&self, count: usize) -> Vec<Record> {
        let begun = Instant::now();
        loop {
            let records = self.records();
            if records.len() >= count {
                return records;
            }
            let logs = || ["one", "two", "three", "four"].map(|instance| self.log(instance)).join("\n");
            assert!(begun.elapsed() < Duration::from_secs(90), "{} of {count} records: {}", records.len(), logs());
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn state(&self, folder: &str, ending: &str) -> Vec<PathBuf> {
        let Ok(files) = std::fs::read_dir(self.directory.path().join("state").join(folder)) else { return Vec::new() };
        files.map(|file| file.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(ending)).collect()
    }
}

/// Yesterday in the business time zone, and its first instant.
fn yesterday() -> (Date, i64) {
    let zone = TimeZone::get(ZONE).unwrap();
    let day = Timestamp::now().to_zoned(zone.clone()).date().checked_sub(1.day()).unwrap();
    (day, day.to_zoned(zone).unwrap().timestamp().as_second())
}

/// Spend of 12.5 US dollars on that day, in the sets that a report asks for its total and by provider.
fn spend(start_s: i64, is_final: bool, revision: u32) -> String {
    format!(
        "INSERT INTO rollups (granularity, `set`, window_start, `values`, revision, is_final, events, calls, cost, first_event_at, last_event_at)
         SELECT 'day', s.1, toDateTime({start_s}, 'UTC'), s.2, {revision}, {is_final}, 5, 5, toDecimal128('12.5', 18), toDateTime64({start_s}, 6, 'UTC'), toDateTime64({start_s}, 6, 'UTC')
         FROM (SELECT arrayJoin([('total', []::Array(String)), ('provider', ['openai'])]) AS s)"
    )
}

#[test]
fn a_day_that_is_over_is_reported_once_by_whichever_instance_and_after_every_restart() {
    let stand = Stand::start();
    let (day, start_s) = yesterday();
    stand.execute(&spend(start_s, true, 1));
    // Neither is waited for: the day's windows are final, and the month's `after` has passed since it ended, or not.
    let config = stand
        .config(r#"{ period = "daily", after = "36500d", format = "markdown" }, { period = "daily", after = "0s", currency = "krw" }"#);
    let (one, two) = (stand.run(&config, "one"), stand.run(&config, "two"));
    let records = stand.await_records(2);
    let [dollars, won] = &records[..] else { panic!("{records:?}") };
    assert_eq!((dollars.key.as_str(), dollars.content_type.as_str()), ("report|daily|USD", "application/cloudevents+json; charset=UTF-8"));
    let event = dollars.event();
    assert_eq!(
        (&event["specversion"], &event["type"], &event["source"]),
        (&"1.0".into(), &"com.costrhythm.report.v1".into(), &"/cost-rhythm".into())
    );
    let data = &event["data"];
    assert_eq!((&data["name"], &data["time_zone"], &data["windows_were_final"]), (&day.to_string().into(), &ZONE.into(), &true.into()));
    assert_eq!((&data["report"]["total"]["cost"], &data["report"]["total"]["calls"]), (&"12.5".into(), &5.into()));
    assert!(data["text"].as_str().unwrap().starts_with(&format!("# Spend {day}")), "{data}");
    assert!(
        data["summary"].as_str().unwrap().starts_with(&format!("Spend {day}: 12.50 USD (new against the period before), 5 calls.")),
        "{data}"
    );
    let in_won = won.event();
    // 12.5 x 1380.50, by the rates that the program ships.
    assert_eq!((&in_won["data"]["report"]["total"]["cost"], &in_won["data"]["text"]), (&"17256.25".into(), &serde_json::Value::Null));
    assert_ne!(event["id"], in_won["id"]);

    // More spend, another owner, a restart: what was reported stays as it was.
    stand.execute(&spend(start_s + 1, true, 2));
    one.kill();
    stand.await_sender("two");
    std::thread::sleep(A_FEW_LOOKS);
    assert_eq!(stand.records(), records, "the other instance sends nothing more");
    two.kill();
    let three = stand.run(&config, "three");
    stand.await_sender("three");
    std::thread::sleep(A_FEW_LOOKS);
    assert_eq!(stand.records(), records, "the next start sends nothing more");
    three.kill();

    // It died after sending, before that was noted: the same bytes stand twice.
    assert_eq!((stand.state("reports", ".sent").len(), stand.state("reports", ".json").len()), (2, 2));
    for mark in stand.state("reports", ".sent") {
        std::fs::remove_file(mark).unwrap();
    }
    let four = stand.run(&config, "four");
    let again = stand.await_records(4);
    assert_eq!((&again[2], &again[3]), (dollars, won));
    assert_eq!(four.end(Duration::from_secs(30)).code(), Some(0), "{}", stand.log("four"));
}

#[test]
fn a_day_whose_windows_are_open_is_waited_for_until_the_configured_time() {
    let stand = Stand::start();
    let (_, start_s) = yesterday();
    stand.execute(&spend(start_s, false, 1));
    let config = stand.config(r#"{ period = "daily", after = "36500d" }"#);
    let running = stand.run(&config, "one");
    stand.await_sender("one");
    std::thread::sleep(A_FEW_LOOKS);
    assert_eq!(stand.records(), [], "its windows are open");
    stand.execute(&spend(start_s, true, 2));
    assert_eq!(stand.await_records(1)[0].event()["data"]["report"]["total"]["cost"], "12.5");
    running.kill();

    // Another schedule for the same windows, open again: the time decides.
    stand.execute(&spend(start_s, false, 3));
    let config = stand.config(r#"{ period = "daily", after = "0s", currency = "EUR" }"#);
    let running = stand.run(&config, "two");
    let record = &stand.await_records(2)[1];
    assert_eq!((record.key.as_str(), &record.event()["data"]["windows_were_final"]), ("report|daily|EUR", &false.into()));
    running.kill();

    for (schedule, complaint) in [
        (r#"{ period = "daily", after = "0s", currency = "CHF" }"#, "CR-3003: report.schedule: currency = CHF"),
        (r#"{ period = "daily", after = "0s" }, { period = "daily", after = "1h" }"#, "is there twice in the same format"),
        (r#"{ period = "hourly", after = "0s" }"#, "unknown variant"),
    ] {
        let config = stand.config(schedule);
        let output = Command::new(support::PROGRAM).args(["run", "--config", config.to_str().unwrap()]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(complaint), "{text}");
    }
}

/// A closed hour of an episode, and the alert with which the episode began.
fn anomaly(scope: &str, since_s: i64, hours: i64, level: &str, (actual, expected): (&str, &str), is_over: bool) -> String {
    format!(
        "INSERT INTO anomaly_rows (rule, scope, since, hour, level, actual, expected, is_over, revision)
         SELECT 'spike', '{scope}', toDateTime({since_s}, 'UTC'), toDateTime({since_s}, 'UTC') + INTERVAL {hours} HOUR, '{level}',
             toDecimal128('{actual}', 18), toDecimal128('{expected}', 18), {is_over}, 1"
    )
}

fn fired(scope: &str, since_s: i64, silenced: &str) -> String {
    let since = Timestamp::from_second(since_s).unwrap();
    format!(
        "INSERT INTO alert_rows (id, rule, scope, level, state, occurred_at, data, silenced)
         SELECT '{scope} {since_s}', 'spike', '{scope}', 'warning', 'fired', toDateTime64({since_s}, 6, 'UTC'), '{{\"period_start\":\"{since}\"}}', '{silenced}'"
    )
}

#[test]
fn one_cause_is_one_incident_on_the_topic_whichever_instance_tells_it() {
    let stand = Stand::start();
    let hour_s = Timestamp::now().as_second() / 3600 * 3600 - 6 * 3600;
    for (scope, silenced) in [("feature=a", ""), ("total", ""), ("team=quiet", "ada knows")] {
        stand.execute(&fired(scope, hour_s, silenced));
    }
    // Long over, and nobody's news any more.
    stand.execute(&fired("team=old", hour_s - 30 * 86_400, ""));
    stand.execute(&anomaly("team=old", hour_s - 30 * 86_400, 0, "critical", ("50", "1"), false));
    stand.execute(&anomaly("feature=a", hour_s, 0, "warning", ("10.000000000000000001", "0.5"), false));
    stand.execute(&anomaly("total", hour_s, 0, "warning", ("12", "2"), false));
    stand.execute(&anomaly("team=quiet", hour_s, 0, "critical", ("0.7", "0.01"), false));
    let config = stand.config("");
    let one = stand.run(&config, "one");
    let records = stand.await_records(1);
    let event = records[0].event();
    assert_eq!(records[0].key, format!("incident|feature=a|{}", Timestamp::from_second(hour_s).unwrap()));
    assert_eq!((&event["type"], &event["subject"]), (&"com.costrhythm.incident.v1".into(), &"feature=a".into()));
    let data = &event["data"];
    assert_eq!((&data["state"], &data["level"], &data["actual"]), (&"fired".into(), &"warning".into(), &"10.000000000000000001".into()));
    assert_eq!((&data["contributors"][0]["scope"], &data["contributors"][1]), (&"total".into(), &serde_json::Value::Null));

    // Worse, and told by another instance after a death.
    one.kill();
    stand.execute(&anomaly("feature=a", hour_s, 1, "critical", ("20", "0.5"), false));
    stand.execute(&anomaly("total", hour_s, 1, "warning", ("22", "2"), false));
    let two = stand.run(&config, "two");
    let records = stand.await_records(2);
    assert_eq!((&records[1].event()["data"]["state"], &records[1].event()["data"]["level"]), (&"escalated".into(), &"critical".into()));

    // The whole is as usual again before the feature is: it is over when both are.
    stand.execute(&anomaly("total", hour_s, 2, "warning", ("2", "2"), true));
    std::thread::sleep(A_FEW_LOOKS * 3);
    assert_eq!(stand.records(), records, "{}", stand.log("two"));
    stand.execute(&anomaly("feature=a", hour_s, 2, "critical", ("0.5", "0.5"), true));
    let records = stand.await_records(3);
    let resolved = records[2].event();
    assert_eq!((&resolved["data"]["state"], &resolved["data"]["actual"]), (&"resolved".into(), &"30.500000000000000001".into()));
    assert_eq!(two.end(Duration::from_secs(30)).code(), Some(0), "{}", stand.log("two"));

    // It died after sending, before that was noted: the same bytes stand twice.
    let mut marks = stand.state("incidents", ".sent");
    assert_eq!((marks.len(), stand.state("incidents", ".json").len()), (3, 3));
    marks.retain(|mark| std::fs::read_to_string(mark).unwrap().contains("\"resolved\""));
    std::fs::remove_file(&marks[0]).unwrap();
    let three = stand.run(&config, "three");
    assert_eq!(stand.await_records(4)[3], records[2]);
    three.kill();
}

//! The program against a broker that wants TLS and a password.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../ingest/tests/kafka/broker.rs"]
#[allow(dead_code, reason = "shared with the tests of ingest")]
mod broker;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use broker::Broker;

struct Site {
    broker: Broker,
    directory: tempfile::TempDir,
}

impl Site {
    /// The program with the broker's settings and no other server.
    fn command(&self, arguments: &[&str], password: &str, ca_file: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cost-rhythm"));
        command.args(arguments).current_dir(self.directory.path());
        for (key, value) in [
            ("KAFKA__BROKERS", self.broker.value("KAFKA_SASL_BROKERS").as_str()),
            ("KAFKA__SECURITY", "sasl_tls"),
            ("KAFKA__USERNAME", &self.broker.value("KAFKA_USERNAME")),
            ("KAFKA__PASSWORD", password),
            ("KAFKA__CA_FILE", ca_file),
            ("CLICKHOUSE__URL", "http://127.0.0.1:1"),
        ] {
            command.env(format!("COST_RHYTHM__{key}"), value);
        }
        command.output().unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn topics_are_made_through_tls_with_a_password_and_what_is_refused_is_said_at_once() {
    let site = Site { broker: Broker::start_secured(), directory: tempfile::tempdir().unwrap() };
    let (password, ca_file) = (site.broker.value("KAFKA_PASSWORD"), site.broker.value("KAFKA_CA_FILE"));

    let checked = text(&site.command(&["check", "--create-topics", "--partitions", "3"], &password, &ca_file));
    assert!(checked.contains("ok       kafka cluster"), "{checked}");
    let list = include_str!("../docker/topics.conf");
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(checked.contains(&format!("topic {} was made", words[0])), "{checked}");
        let described = site.broker.script(&["topic", "describe", words[0]]);
        let partitions = if words[1] == "many" { "3" } else { words[1] };
        assert!(described.contains(&format!("PartitionCount: {partitions}")), "{described}");
        for setting in &words[2..] {
            assert!(described.contains(setting), "{setting}: {described}");
        }
    }

    for arguments in [&["check"][..], &["run"], &["audit"], &["dlq", "list"]] {
        let begun = Instant::now();
        let refused = site.command(arguments, "hunter2", &ca_file);
        let said = text(&refused);
        assert!(!refused.status.success(), "{arguments:?}: {said}");
        for part in ["CR-3106", "kafka.username = \"cost-rhythm\"", "COST_RHYTHM__KAFKA__PASSWORD", "kafka.password_file"] {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
        assert!(!said.contains("hunter2") && !said.contains(&password), "{arguments:?}: {said}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{arguments:?}: {:?}", begun.elapsed());
    }

    // The system's authorities do not know the broker's.
    let untrusted = text(&site.command(&["check"], &password, ""));
    assert!(untrusted.contains("CR-3107") && untrusted.contains("kafka.ca_file"), "{untrusted}");
}

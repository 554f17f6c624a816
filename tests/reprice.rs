//! `cost-rhythm reprice` on the whole pipeline: corrections change the past exactly once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::Timestamp;
use support::{Engine, Kafka, Site, await_true};

fn book(input: &str, more: &str) -> String {
    let price = |model: &str, input: &str| {
        format!(
            "[[price]]\nprovider = \"acme\"\nmodel = \"{model}\"\nper = 1_000_000\ninput = \"{input}\"\noutput = \"5\"\nfrom = 2026-01-01T00:00:00Z\nsource = \"test\"\n"
        )
    };
    price("one", input) + &price("steady", "3") + &if more.is_empty() { String::new() } else { price(more, "10") }
}

#[test]
fn corrections_bring_the_past_to_the_new_prices_once() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start_without_registry(directory.path());
    let engine = Engine::start(directory.path());
    std::fs::write(directory.path().join("book.toml"), book("1", "")).unwrap();
    let site = Site::new(directory.path(), "reprice", &kafka, &engine, "[prices]\nbooks = [\"book.toml\"]\n");
    let book_file = directory.path().join("book.toml");
    let service = site.run("a");

    // Calls of two hours ago, so that the time is over: 30 of a model whose price changes, 10 of one that gets a price, 5 that stay.
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let topic = format!("{}usage-events", site.prefix);
    let start_us = (jiff::Timestamp::now().as_microsecond() - 7_200_000_000) / 3_600_000_000 * 3_600_000_000;
    let send = |id: &str, at_us: i64, rest: &str| {
        let at = Timestamp::from_micros(at_us);
        let event = format!(r#"{{"event_id":"{id}","source":"test","occurred_at":"{at}",{rest}}}"#);
        producer.send(BaseRecord::to(&topic).key(id).payload(&event)).map_err(|(error, _)| error).unwrap();
    };
    for number in 0..45_i64 {
        let (model, team) = match number {
            0..30 => ("one", "core"),
            30..40 => ("mystery", "growth"),
            _ => ("steady", "core"),
        };
        let call = format!(
            r#""kind":"llm","provider":"acme","model":"{model}","team":"{team}","input_tokens":100000,"output_tokens":10000,"tags":{{"region":"eu"}}"#
        );
        send(&format!("call-{number}"), start_us + number * 60_000_000, &call);
    }
    // One of them its producer has voided.
    send(
        "void",
        start_us,
        r#""kind":"adjustment","adjusts":"call-0","amount":"-0.15","currency":"USD","provider":"acme","model":"one","team":"core""#,
    );
    producer.flush(Duration::from_secs(20)).unwrap();
    site.await_offsets(46, Duration::from_secs(120));
    let spent = |filter: &str| site.query(&format!("SELECT toString(sum(cost)) FROM hourly_by_team WHERE {filter}")).trim().to_owned();
    // 30 x 0.15, one voided, and 5 x 0.35.
    assert_eq!(spent("team = 'core'"), "6.1");
    assert!(service.end(Duration::from_secs(30)).success());

    std::fs::write(&book_file, book("2.5", "mystery")).unwrap();
    let (from, to) = (Timestamp::from_micros(start_us).to_string(), Timestamp::from_micros(start_us + 3_600_000_000).to_string());
    let arguments = ["--from", from.as_str(), "--to", to.as_str()];
    let said = site.succeed("reprice", &arguments);
    // 29 cost 0.3 instead of 0.15, 10 cost 1.05 instead of nothing.
    for line in [
        "total: 39 calls, 4.35 -> 19.2 USD, difference 14.85\n",
        "model acme / mystery: 10 calls, 0 -> 10.5 USD, difference 10.5\n",
        "team core: 29 calls, 4.35 -> 8.7 USD, difference 4.35\n",
        "5 calls cost the same\n",
        "1 calls are left as they are: its producer has corrected it",
        "nothing was sent\n",
    ] {
        assert!(said.contains(line), "{line:?} in {said}");
    }
    let service = site.run("b");
    assert_eq!(site.offsets(), Some(46), "a dry run sends nothing");

    let file = directory.path().join("audit.json");
    let write: Vec<&str> = arguments.iter().copied().chain(["--write", "--audit", file.to_str().unwrap()]).collect();
    let said = site.succeed("reprice", &write);
    assert!(said.contains("39 corrections were sent"), "{said}");
    // Again, whether or not they have arrived: what has is no difference any more, what has not is a repeat.
    let second = directory.path().join("second.json");
    site.succeed("reprice", &[&arguments[..], &["--write", "--audit", second.to_str().unwrap()]].concat());
    await_true(Duration::from_secs(120), "the corrections arrive", || spent("team = 'growth'") == "10.5");
    await_true(Duration::from_secs(60), "all are accounted for", || site.offsets().is_some_and(|shown| shown >= 46 + 39));
    let settled = || site.query("SELECT sum(offsets_in) FROM pipeline_accounts");
    await_true(Duration::from_secs(30), "nothing more comes", || {
        let before = settled();
        std::thread::sleep(Duration::from_secs(2));
        before == settled()
    });
    assert_eq!((spent("team = 'core'").as_str(), spent("team = 'growth'").as_str()), ("10.45", "10.5"));
    assert_eq!(site.query("SELECT sum(counted), sum(rejected) + sum(late) + sum(conflict) FROM pipeline_accounts").trim(), "85\t0");
    let hours = format!("SELECT count() FROM hourly_by_team WHERE window_start != toDateTime({}, 'UTC')", start_us / 1_000_000);
    assert_eq!(site.query(&hours).trim(), "0", "corrections are of the hour of their calls");
    let kept = "SELECT count(), uniqExact(adjusts) FROM usage_events WHERE kind = 'adjustment' AND tags['region'] = 'eu' AND attributes['reprice_to_version'] != ''";
    assert_eq!(site.query(kept).trim(), "39\t39");

    let said = site.succeed("reprice", &arguments);
    assert!(said.contains("total: 0 calls, 0 -> 0 USD, difference 0\n"), "{said}");
    drop(service);

    let audit: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((&audit["sent"], &audit["corrections"], &audit["after"]), (&true.into(), &39.into(), &"19.2".into()));
    assert!(audit["scopes"].is_array() && audit["price_book"].as_str().unwrap().len() == 32, "{audit}");

    // What cannot be done is said.
    let refused = |arguments: &[&str], wanted: &str| {
        let output = site.command("reprice").args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(wanted), "{text}");
    };
    refused(&["--from", &to, "--to", &from], "CR-3003");
    refused(&["--from", &from, "--to", "2100-01-01T00:00:00Z"], "CR-3003");
    refused(&["--from", &from, "--to", &to, "--write"], "--audit");
    refused(&write, "CR-6203");
}

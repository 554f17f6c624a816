//! `cost-rhythm prices` as an operator runs it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use schemas::GroupingSet;
use schemas::price_book::PriceBook;
use sinks::clickhouse::{ClickHouse, ClickHouseOptions};
use support::Engine;

const BOOK: &str = r#"# Ours.
[[price]]
provider = "acme"
model = "one"
aliases = ["one-2026"]
per = 1_000_000
input = "1.00"
cache_read = "0.10"
output = "5.00"
from = 2026-01-01T00:00:00Z   # launch
source = "price page"

[[price]]
provider = "acme"
model = "gone"
per = 1_000_000
input = "1.00"
output = "5.00"
from = 2026-01-01T00:00:00Z
to = 2026-03-01T00:00:00Z
source = "price page"
"#;

/// In the shape of LiteLLM's file.
const IMPORT: &str = r#"{
  "sample_spec": {"input_cost_per_token": 0.0},
  "one": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 5e-06, "cache_read_input_token_cost": 1e-07,
          "input_cost_per_token_above_200k_tokens": 2.5e-06, "input_cost_per_token_batches": 6.25e-07, "output_cost_per_token_batches": 2.5e-06},
  "one-2026": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 0.00000125, "output_cost_per_token": 0.000005},
  "acme/two": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 3e-07, "output_cost_per_token": 1.5e-06},
  "other/three": {"litellm_provider": "other", "mode": "chat", "input_cost_per_token": 3e-07, "output_cost_per_token": 1.5e-06}
}"#;

fn prices(directory: &Path, arguments: &[&str]) -> Output {
    let (action, rest) = arguments.split_first().unwrap();
    let config = directory.join("config.toml");
    Command::new(support::PROGRAM)
        .args(["prices", action, "--config", config.to_str().unwrap()])
        .args(rest)
        .current_dir(directory)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn site(clickhouse: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let config = format!("[prices]\nbooks = [\"book.toml\", \"more.toml\"]\n[clickhouse]\nurl = \"{clickhouse}\"\n");
    for (name, text) in [("config.toml", config.as_str()), ("book.toml", BOOK), ("more.toml", ""), ("litellm.json", IMPORT)] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[test]
fn an_import_shows_what_it_changes_and_changes_it_only_when_told() {
    let site = site("http://127.0.0.1:1");
    let directory = site.path();
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    let import = ["import", "litellm.json", "--from", "2026-12-01T00:00:00Z", "--provider", "acme", "--into", "more.toml"];

    let output = prices(directory, &import);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for line in [
        "changed  acme / one / standard: input 1 -> 1.25, cache_read 0.1, output 5\n",
        "new      acme / one / batch: input 0.625, output 2.5\n",
        "new      acme / two / standard: input 0.3, output 1.5\n",
        "left out, steps by prompt length, imported at the price of short prompts: 1\n    acme / one: input_cost_per_token_above_200k_tokens\n",
        "2 new, 1 changed, 0 unchanged, 1 left out\n",
        "nothing was changed",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains("three"), "{text}");
    assert_eq!((read("book.toml"), read("more.toml")), (BOOK.to_owned(), String::new()));

    let output = prices(directory, &[&import[..], &["--write"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let (book, more) = (read("book.toml"), read("more.toml"));
    assert_eq!(book, BOOK.replace("# launch\n", "# launch\nto = 2026-12-01T00:00:00Z\n"));
    let parsed = PriceBook::parse_all(&[("book", &book), ("more", &more)]).unwrap();
    let price = |model: &str, tier: &str, at: &str| {
        let version = parsed.in_force_at("acme", model, tier, schemas::Timestamp::parse(at).unwrap());
        version.map(|version| (version.unit.input.unwrap().to_string(), version.unit.cache_read.is_some()))
    };
    assert_eq!(price("one", "", "2026-11-30T00:00:00Z"), Some(("0.000001".to_owned(), true)));
    assert_eq!(price("one-2026", "", "2026-12-01T00:00:00Z"), Some(("0.00000125".to_owned(), true)));
    assert_eq!(price("two", "", "2026-11-30T00:00:00Z"), None);
    assert_eq!(price("one", "batch", "2026-12-01T00:00:00Z"), Some(("0.000000625".to_owned(), false)));

    // Again, at another time: nothing is left to do.
    let output = prices(directory, &["import", "litellm.json", "--from", "2026-12-02T00:00:00Z", "--provider", "acme", "--write"]);
    assert!(said(&output).contains("0 new, 0 changed, 4 unchanged"), "{}", said(&output));
    assert_eq!((read("book.toml"), read("more.toml")), (book, more));
}

#[test]
fn what_cannot_be_imported_is_an_error_with_its_remedy() {
    let site = site("http://127.0.0.1:1");
    for (arguments, wanted) in [
        (&["import", "config.toml"][..], "CR-6101"),
        (&["import", "nothing.json"], "CR-3001"),
        (&["import", "litellm.json", "--from", "tomorrow"], "CR-3003: --from"),
        (&["import", "litellm.json", "--into", "new.toml", "--write"], "CR-3003: --into"),
    ] {
        let output = prices(site.path(), arguments);
        assert!(!output.status.success() && said(&output).contains(wanted), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_check_finds_ended_prices_and_calls_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::start(directory.path());
    let url = format!("http://127.0.0.1:{}", engine.port);
    let site = site(&url);
    let server = ClickHouse::new(ClickHouseOptions { url, ..ClickHouseOptions::default() }).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        server.migrate(&GroupingSet::defaults()).await.unwrap();
        let rows = "INSERT INTO usage_event_rows (`offset`, event_id, source, occurred_at, kind, provider, model, tier, uncached_input_tokens, cost_status)
            SELECT number, toString(number), 's', now64(6) - INTERVAL 1 DAY, 'llm', 'acme', ['one', 'mystery', 'mystery', 'gone'][1 + number % 4], ['', '', 'flex', ''][1 + number % 4],
                100, if(number % 4 = 0, 'priced', 'unpriced') FROM numbers(40)";
        server.execute(rows).await.unwrap();
    });
    let output = prices(site.path(), &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for line in [
        "ended      acme / gone / standard: no price since 2026-03-01T00:00:00Z\n",
        "no price   acme / mystery / standard: 10 calls, 1000 tokens, ",
        "no price   acme / mystery / flex: 10 calls",
        "the book does not know it\n",
        "no price   acme / gone / standard: 10 calls",
        "the book has prices, of other dates\n",
        "4 findings\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains("acme / one"), "{text}");

    let offline = prices(site.path(), &["check", "--offline"]);
    assert!(offline.status.code() == Some(1) && said(&offline).contains("1 findings"), "{}", said(&offline));
    std::fs::write(site.path().join("book.toml"), BOOK.replace("to = 2026-03-01T00:00:00Z\n", "")).unwrap();
    assert_eq!(prices(site.path(), &["check", "--offline"]).status.code(), Some(0));
}

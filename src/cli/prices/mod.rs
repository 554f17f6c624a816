//! `cost-rhythm prices check | import`

mod edit;
mod litellm;
mod plan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use report::{Reader, literal};
use schemas::Timestamp;
use schemas::price_book::PriceBook;
use serde::Deserialize;

use super::status::write_whole;
use super::{ConfigArg, io_runtime, start_logging};
use crate::config::{Config, Rules};
use crate::service::clickhouse;
use crate::service::report_question::reader;

/// Of one reason of what was left out.
const SHOWN: usize = 10;

/// Arguments of `prices`.
#[derive(clap::Args)]
pub(super) struct PricesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Find gaps between versions, prices that have ended, and calls of the last days that had no price; exit code 1: there are some
    Check {
        #[command(flatten)]
        config: ConfigArg,
        /// Only the files; ask no ClickHouse
        #[arg(long)]
        offline: bool,
        /// Look at calls of so many days
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
        days: u32,
    },
    /// Show what LiteLLM's price file (model_prices_and_context_window.json) changes in the price book; with --write, change it
    Import {
        #[command(flatten)]
        config: ConfigArg,
        /// The file
        file: PathBuf,
        /// From when on the new prices are in force (RFC 3339); without it, from the next midnight UTC, so that nothing counted changes
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only these providers, several times for several
        #[arg(long, value_name = "NAME")]
        provider: Vec<String>,
        /// Only models that the price book knows
        #[arg(long)]
        known: bool,
        /// Where new versions are put: one of prices.books; without it, the first of them
        #[arg(long, value_name = "FILE")]
        into: Option<PathBuf>,
        /// Change the files; without it, nothing is changed
        #[arg(long)]
        write: bool,
        /// Say what would be changed, change nothing: the default
        #[arg(long, conflicts_with = "write")]
        dry_run: bool,
    },
}

/// Checks or imports.
///
/// # Errors
/// A file that cannot be read or written, or is not what it should be; ClickHouse cannot be asked.
pub(super) fn run(args: &PricesArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Check { config, offline, days } => check(&config.load()?, *offline, *days),
        Action::Import { config, file, from, provider, known, into, write, dry_run: _ } => {
            let from = from.as_deref().map_or_else(|| Ok(next_midnight()), instant)?;
            import(&config.load()?, &ImportOf { file, from, providers: provider, known: *known, into: into.as_deref(), write: *write })
        }
    }
}

fn instant(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse(text)
        .map_err(|error| anyhow::anyhow!("CR-3003: --from {text:?}: {error}; expected RFC 3339 such as 2026-12-01T00:00:00Z"))
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

fn next_midnight() -> Timestamp {
    let day_us = schemas::timestamp::DAY_US;
    Timestamp::from_micros((now().micros().div_euclid(day_us) + 1) * day_us)
}

/// Without decimals of a second that are zero.
fn shown(at: Timestamp) -> String {
    at.to_string().replace(".000000Z", "Z")
}

struct ImportOf<'a> {
    file: &'a Path,
    from: Timestamp,
    providers: &'a [String],
    known: bool,
    into: Option<&'a Path>,
    write: bool,
}

fn import(config: &Config, of: &ImportOf<'_>) -> anyhow::Result<ExitCode> {
    start_logging(config.run.log_format, true);
    let name = of.file.display();
    let size = std::fs::metadata(of.file).with_context(|| format!("CR-3001: {name}: cannot be read"))?.len();
    if size > litellm::MAX_FILE_BYTES {
        bail!("CR-6101: {name}: {size} bytes; LiteLLM's price file has about 2 MB, more than {} are not read", litellm::MAX_FILE_BYTES);
    }
    let text = std::fs::read_to_string(of.file).with_context(|| format!("CR-3001: {name}: cannot be read"))?;
    let providers: Vec<String> = of.providers.iter().map(|provider| provider.to_ascii_lowercase()).collect();
    let book = Rules::read(config)?.book;
    let plan = plan::plan(&book, litellm::parse(&text, &providers)?, of.from, of.known);

    println!("US dollars per 1,000,000 tokens, from {} on:", shown(of.from));
    for version in &plan.versions {
        println!("{version}");
    }
    for (reason, what) in &plan.left_out {
        println!("left out, {reason}: {}", what.len());
        for what in what.iter().take(SHOWN) {
            println!("    {what}");
        }
        if what.len() > SHOWN {
            println!("    ... and {} more", what.len() - SHOWN);
        }
    }
    let changed = plan.versions.iter().filter(|version| version.before.is_some()).count();
    let left_out: usize = plan.left_out.values().map(std::collections::BTreeSet::len).sum();
    println!("{} new, {changed} changed, {} unchanged, {left_out} left out", plan.versions.len() - changed, plan.unchanged);
    match (of.write, plan.versions.is_empty()) {
        (true, false) => write(config, of, &plan.versions),
        (true, true) => Ok(ExitCode::SUCCESS),
        (false, _) => {
            println!("nothing was changed; --write changes the price book");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn write(config: &Config, of: &ImportOf<'_>, versions: &[plan::NewVersion]) -> anyhow::Result<ExitCode> {
    let paths: Vec<PathBuf> = config.prices.books.iter().map(|book| config.resolve(book)).collect();
    let into = match of.into {
        None => 0,
        Some(wanted) => {
            let found = config.prices.books.iter().zip(&paths).position(|(written, path)| written == wanted || path == wanted);
            found.with_context(|| {
                format!("CR-3003: --into {}: is none of prices.books; add it there first (an empty file will do)", wanted.display())
            })?
        }
    };
    if paths.is_empty() {
        bail!("CR-3003: prices.books is empty: name a file");
    }
    let mut files = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "CR-3001: {}: cannot be read; what the program carries cannot be changed: put a copy of prices/public.toml there",
                path.display()
            )
        })?;
        files.push((path.display().to_string(), text));
    }
    let source = format!("LiteLLM's price file, imported {}", now().to_string().get(..10).unwrap_or_default());
    let edited = edit::with_versions(&files, into, versions, of.from, &source)?;
    // Old versions end last: after a crash between two files they overlap with the new ones, which every start refuses by name.
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|number| *number != into);
    for number in order {
        if edited[number].1 != files[number].1 {
            write_whole(&paths[number], &edited[number].1)?;
            println!("written: {}", paths[number].display());
        }
    }
    println!("stop all instances in order before they start with the new book (docs/OPERATIONS.md, \"Changing prices\")");
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
struct Unpriced {
    provider: String,
    model: String,
    tier: String,
    events: u64,
    tokens: i64,
    first_at: String,
    last_at: String,
}

fn check(config: &Config, offline: bool, days: u32) -> anyhow::Result<ExitCode> {
    start_logging(config.run.log_format, true);
    let book = Rules::read(config)?.book;
    let mut findings = in_book(&book, now());
    println!("{} versions, no two of a model in force at once", book.entries().len());
    if !offline {
        let (server, runtime) = (clickhouse(config)?, io_runtime()?);
        findings.extend(in_clickhouse(config, &reader(&server, runtime.handle()), &book, days)?);
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} findings", findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gaps between the versions of a model, and models whose last version has ended.
fn in_book(book: &PriceBook, now: Timestamp) -> Vec<String> {
    let mut lists: BTreeMap<[&str; 3], &[schemas::price_book::PriceVersion]> = BTreeMap::new();
    for entry in book.entries() {
        for model in std::iter::once(&entry.model).chain(&entry.aliases) {
            lists.insert([&entry.provider, model, &entry.tier], book.versions(&entry.provider, model, &entry.tier));
        }
    }
    let mut findings = Vec::new();
    for (name, versions) in lists {
        for pair in versions.windows(2) {
            if let Some(to) = pair[0].to.filter(|to| *to < pair[1].from) {
                findings.push(format!("gap        {}: no price from {} to {}", name.join(" / "), shown(to), shown(pair[1].from)));
            }
        }
        if let Some(to) = versions.last().and_then(|last| last.to).filter(|to| *to <= now) {
            findings.push(format!("ended      {}: no price since {}", name.join(" / "), shown(to)));
        }
    }
    findings
}

/// Calls without a price, each with why.
fn in_clickhouse(config: &Config, reader: &Reader<'_>, book: &PriceBook, days: u32) -> anyhow::Result<Vec<String>> {
    let time = |expression: &str| format!("formatDateTime({expression}, '%Y-%m-%dT%H:%i:%SZ', 'UTC')");
    let (first, last) = (time("min(v.first_at)"), time("max(v.last_at)"));
    let from = if config.clickhouse.usage_events {
        format!(
            "(SELECT provider, model, tier, 1 AS events, uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + output_tokens + reasoning_tokens AS tokens,
                occurred_at AS first_at, occurred_at AS last_at
            FROM usage_events WHERE toStartOfHour(occurred_at) >= now() - INTERVAL {days} DAY AND cost_status = {} AND model != '')",
            literal("unpriced")
        )
    } else {
        // Rollups know no tier.
        format!(
            "(SELECT provider, model, '' AS tier, unpriced_events AS events, toInt64(0) AS tokens, first_event_at AS first_at, last_event_at AS last_at
            FROM hourly_by_model WHERE window_start >= now() - INTERVAL {days} DAY AND unpriced_events > 0 AND model != '')"
        )
    };
    let rows: Vec<Unpriced> = reader.rows(
        "calls without a price",
        &format!(
            "SELECT v.provider AS provider, v.model AS model, toString(v.tier) AS tier, toUInt64(sum(v.events)) AS events, toInt64(sum(v.tokens)) AS tokens,
                {first} AS first_at, {last} AS last_at
            FROM {from} AS v GROUP BY provider, model, tier ORDER BY events DESC, provider, model, tier LIMIT 1000"
        ),
    )?;
    Ok(rows.iter().map(|row| told(row, book)).collect())
}

fn told(row: &Unpriced, book: &PriceBook) -> String {
    let tier = if row.tier.is_empty() { schemas::price_book::STANDARD_TIER } else { &row.tier };
    let versions = book.versions(&row.provider, &row.model, tier);
    let at = Timestamp::parse(&row.last_at).ok();
    let why = match (versions.is_empty(), at.and_then(|at| book.in_force_at(&row.provider, &row.model, tier, at))) {
        (true, _) => "the book does not know it",
        (false, None) => "the book has prices, of other dates",
        (false, Some(_)) => "the book has a price now: it came later, lacks a kind of tokens, or the calls said too little",
    };
    format!(
        "no price   {} / {} / {tier}: {} calls, {} tokens, {} to {}: {why}",
        row.provider, row.model, row.events, row.tokens, row.first_at, row.last_at
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_ended_prices_are_found() {
        let price = |from: &str, to: &str| {
            let to = if to.is_empty() { String::new() } else { format!("to = {to}\n") };
            format!(
                "[[price]]\nprovider = \"p\"\nmodel = \"m\"\naliases = [\"n\"]\nper = 1\ninput = \"1\"\nfrom = {from}\n{to}source = \"s\"\n"
            )
        };
        let found = |texts: &[String]| {
            let book = PriceBook::parse_all(&[("b", &texts.concat())]).unwrap();
            in_book(&book, Timestamp::parse("2026-11-01T00:00:00Z").unwrap())
        };
        let (first, second) = (price("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), price("2026-02-01T00:00:00Z", ""));
        assert_eq!(found(&[first.clone(), second]), [""; 0]);
        let late = price("2026-02-02T00:00:00Z", "2026-11-01T00:00:00Z");
        let findings = found(&[first, late]);
        assert_eq!(findings[0], "gap        p / m / standard: no price from 2026-02-01T00:00:00Z to 2026-02-02T00:00:00Z");
        assert_eq!(findings[1], "ended      p / m / standard: no price since 2026-11-01T00:00:00Z");
        assert_eq!(findings.len(), 4, "the alias too");
    }
}

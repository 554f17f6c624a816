//! `cost-rhythm demo`: the whole pipeline on embedded parts, fed with real traces.
//!
//! The broker is librdkafka's in-process one, which keeps only the newest messages of a partition. So the demo sends no faster than
//! everybody reads, the recount for its own audit included. The last hours of the history have a planned incident in them (see [`scene`]).

mod scene;
mod tee;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use audit::Range;
use engine::{Engine, EngineOptions, find_library};
use generate::{Incident, replay};
use ingest::kafka::embedded::EmbeddedBroker;
use rdkafka::ClientConfig;
use schemas::{Money, Timestamp};
use sinks::clickhouse::ClickHouse;
use tokio::runtime::Runtime;

use self::scene::Scene;
use self::tee::Tee;
use super::generate::Sender;
use super::{audit as audit_command, io_runtime, start_logging};
use crate::config::{Config, Historical, LogFormat, load};
use crate::service::partitions::Partitions;
use crate::service::{Service, StageChoice, clickhouse, connect, signals};

const PARTITIONS: u32 = 4;
/// Messages that may be unread; the embedded broker keeps 80,000 per partition.
const MAX_UNREAD: u64 = 20_000;
/// How long to wait for the last alert of the incident.
const PATIENCE: Duration = Duration::from_secs(5);
/// Blocks that may be unread.
const MAX_UNREAD_BLOCKS: u64 = 2_000;

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(super) struct DemoArgs {
    /// Events of history that are replayed first
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Replay flat out and end then: audit it, print the totals, exit 0 if all is equal, else 1
    #[arg(long)]
    exit: bool,
    /// Without the planned incident
    #[arg(long)]
    calm: bool,
    /// Seconds that an hour of the last eight takes, in which the incident is
    #[arg(long, default_value_t = 15.0, value_name = "SECONDS", value_parser = seconds)]
    hour: f64,
    /// When the history ends (RFC 3339, not in the future); without it, now
    #[arg(long, value_name = "TIME")]
    end: Option<jiff::Timestamp>,
    /// Live events a second after the replay: a few times the pace of the history
    #[arg(long, default_value_t = 0.5)]
    rate: f64,
    /// Of the random sequence
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the embedded ClickHouse answers; port 0: any free one
    #[arg(long, default_value = "127.0.0.1:8123")]
    engine: SocketAddr,
    /// Where the page, health and metrics are served; port 0: any free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Keep the ClickHouse data here; without it, a temporary directory is used and removed
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// From a moment to the true pace.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "expected 0.01 to 3600 seconds".to_owned())
}

/// Runs the demo.
///
/// # Errors
/// A part cannot be started; the text says what to do.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    start_logging(LogFormat::Text, true);
    if let Some(end) = args.end.filter(|end| *end > jiff::Timestamp::now()) {
        bail!("CR-4202: --end is {end}, which is in the future, and events may not be: leave it out, or name a time that has passed");
    }
    let runtime = io_runtime()?;
    let scratch = tempfile::tempdir().context("no temporary directory")?;
    let mut options = EngineOptions::new(find_library()?, args.path.clone().unwrap_or_else(|| scratch.path().join("clickhouse")));
    options.listen = args.engine;
    let engine = Engine::start(options)?;
    let broker = EmbeddedBroker::start()?;
    let mut config = load(None)?;
    config.kafka.brokers = broker.brokers();
    config.clickhouse.url = engine.url();
    config.state.url = scratch.path().join("state").display().to_string();
    config.http.listen = args.listen;
    config.http.accept_events = args.listen.ip().is_loopback();
    config.budgets.files = vec!["budgets/demo.toml".into()];
    // So that one cause is told by few alerts: the sets left out say the same as a feature or a model, and the mean the same as the spike.
    config.watch.except.extend(["route", "task_type", "team", "project", "environment", "cost_center"].map(str::to_owned));
    config.watch.hourly_mean = Money::ZERO;
    // Its history is its present.
    config.alerts.historical = Historical::Tell;
    let kafka = &config.kafka;
    for (topic, partitions) in
        [(&kafka.events_topic, PARTITIONS), (&kafka.partials_topic, PARTITIONS), (&kafka.dead_letters_topic, 1), (&kafka.alerts_topic, 1)]
    {
        broker.create_topic(topic, partitions)?;
    }
    let outcome = with_pipeline(args, &config, &runtime);
    runtime.block_on(engine.shutdown())?;
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

fn with_pipeline(args: &DemoArgs, config: &Config, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let service = Service::start(config, StageChoice::All, runtime.handle())?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let stop = runtime.block_on(async { signals::listen() })?;
    runtime.spawn(async move {
        stop.await;
        flag.store(true, Ordering::SeqCst);
    });
    let client = connect::kafka(config)?.client_config()?;
    let stages: Vec<Partitions> = service.partitions().cloned().collect();
    let http = service.http;
    println!("The page: http://{http}/ (it fills while the history is replayed)");
    let demo = Demo { args, config, runtime, server: clickhouse(config)?, client, stages, http, interrupted };
    let outcome = demo.play();
    service.stop(runtime.handle());
    outcome
}

struct Demo<'a> {
    args: &'a DemoArgs,
    config: &'a Config,
    runtime: &'a Runtime,
    server: ClickHouse,
    client: ClientConfig,
    stages: Vec<Partitions>,
    http: SocketAddr,
    interrupted: Arc<AtomicBool>,
}

impl Demo<'_> {
    fn play(&self) -> anyhow::Result<ExitCode> {
        let end = Timestamp::from_millis(self.args.end.unwrap_or_else(jiff::Timestamp::now).as_millisecond());
        let history = replay::history(end, self.args.events, self.args.seed)?;
        let incident = if self.args.calm { None } else { Some(Incident::before(end, self.args.seed)?) };
        let mut scene = incident.as_ref().map(|incident| Scene::new(incident, self.args.hour));
        println!("Replaying two weeks of history: {} events from real traces (Azure, Mooncake, ServeGen).", self.args.events);
        let tee = Tee::start(&self.client, &self.config.kafka.events_topic)?;
        let mut sender = Sender::new(&self.client, &self.config.kafka.events_topic)?;
        let begun = Instant::now();
        let mut sent = 0_u64;
        let mut shown = Instant::now();
        for message in replay::merged(history, incident) {
            if let Some(scene) = scene.as_mut().filter(|_| !self.args.exit) {
                let at = message.intended_timestamp;
                if scene.begins_at(at) {
                    self.settle(&mut sender, sent, begun)?;
                    scene.begin(&self.page());
                }
                self.await_scene(scene, at)?;
            }
            sender.send(&message)?;
            sent += 1;
            if sent.is_multiple_of(256) {
                self.hold_back(&tee, sent, &sender)?;
            }
            if shown.elapsed() > Duration::from_millis(100) && scene.as_ref().is_none_or(|scene| !scene.has_begun()) {
                progress(sent, self.args.events);
                shown = Instant::now();
            }
            if self.interrupted.load(Ordering::SeqCst) {
                println!();
                return Ok(ExitCode::SUCCESS);
            }
        }
        match &scene {
            Some(scene) if scene.has_begun() => {
                sender.finish()?;
                self.await_accounts(sent)?;
            }
            _ => self.settle(&mut sender, sent, begun)?,
        }
        if let Some(scene) = &scene {
            self.await_end_of_incident(scene)?;
            scene.sum_up(&self.page(), &|sql| self.query(sql))?;
        }
        if self.args.exit {
            return self.audit(tee, sent);
        }
        drop(tee);
        self.live(&mut sender)
    }

    /// Waits until all that was sent is written, and shows it.
    fn settle(&self, sender: &mut Sender, sent: u64, begun: Instant) -> anyhow::Result<()> {
        sender.finish()?;
        progress(sent, self.args.events);
        println!();
        self.await_accounts(sent)?;
        println!("Replayed, priced, summed up and written in {:.1} s.\n", begun.elapsed().as_secs_f64());
        self.print_totals()
    }

    /// Until it is time for what happened then, or somebody has enough.
    fn await_scene(&self, scene: &mut Scene, at: Timestamp) -> anyhow::Result<()> {
        while !self.interrupted.load(Ordering::SeqCst) {
            scene.tell(&self.page(), &|sql| self.query(sql))?;
            let left = scene.wait(at);
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }

    /// Alerts are written behind the accounts. A history that is too thin has none.
    fn await_end_of_incident(&self, scene: &Scene) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && !self.interrupted.load(Ordering::SeqCst) {
            if scene.life(&|sql| self.query(sql))?.is_some_and(|life| life.is_resolved()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn page(&self) -> String {
        format!("http://{}/", self.http)
    }

    /// Waits while somebody is too far behind for the embedded broker.
    fn hold_back(&self, tee: &Tee, sent: u64, sender: &Sender) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let read = self.stage_sum("meter", |status| u64::try_from(status.position).unwrap_or(0));
            let blocks_behind = self.stage_sum("monitor", |status| status.lag.unwrap_or(0));
            let slowest = read.min(tee.read());
            let unread = sent.saturating_sub(slowest) + sender.in_flight() as u64;
            if unread < MAX_UNREAD && blocks_behind < MAX_UNREAD_BLOCKS {
                return Ok(());
            }
            self.fail_if_stuck(begun)?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stage_sum(&self, stage: &str, figure: impl Fn(&runtime::DriverStatus) -> u64) -> u64 {
        let reports = self.stages.iter().flat_map(Partitions::report).filter(|report| report.stage == stage);
        reports.filter_map(|report| report.status).map(|status| figure(&status)).sum()
    }

    fn fail_if_stuck(&self, begun: Instant) -> anyhow::Result<()> {
        if let Some(reason) = self.stages.iter().flat_map(Partitions::report).find_map(|report| report.is_failed()) {
            bail!("the pipeline stopped: {reason}");
        }
        if begun.elapsed() > Duration::from_secs(120) {
            bail!("CR-4201: the pipeline has not moved for two minutes");
        }
        Ok(())
    }

    fn query(&self, sql: &str) -> anyhow::Result<String> {
        Ok(self.runtime.block_on(self.server.query_rows(sql, "TabSeparated"))?)
    }

    fn await_accounts(&self, sent: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let shown: u64 = self.query("SELECT toUInt64(sum(offsets_in)) FROM cost_rhythm.pipeline_accounts")?.trim().parse()?;
            if shown >= sent {
                return Ok(());
            }
            self.fail_if_stuck(begun)?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn print_totals(&self) -> anyhow::Result<()> {
        println!("Spend by model, all of the replay:");
        let models = self.query(
            "SELECT concat(provider, ' / ', model), sum(calls), toString(sum(cost)) FROM cost_rhythm.monthly_by_model WHERE model != '' GROUP BY 1 ORDER BY sum(cost) DESC LIMIT 8",
        )?;
        for line in models.lines() {
            let mut cells = line.split('\t');
            let (name, calls, cost) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""), cells.next().unwrap_or(""));
            println!("  {name:<40} {calls:>8} calls  {cost:>26} USD");
        }
        println!("Budgets of the newest periods:");
        let budgets = self.query(
            "SELECT budget, scope, period, toString(round(spent, 2)), toString(limit), currency, level FROM cost_rhythm.budgets WHERE NOT startsWith(scope, 'user_id') ORDER BY budget, period_start DESC LIMIT 1 BY budget",
        )?;
        for line in budgets.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            if let [budget, scope, period, spent, limit, currency, level] = cells[..] {
                println!("  {budget:<28} {scope:<20} {period:<18} {spent:>12} of {limit} {currency} {level}");
            }
        }
        let alerts = self.query("SELECT count(), countIf(state = 'fired'), countIf(state = 'escalated'), countIf(state = 'resolved'), countIf(state = 'period_reset') FROM cost_rhythm.alerts")?;
        let counts: Vec<&str> = alerts.trim().split('\t').collect();
        if let [all, fired, escalated, resolved, reset] = counts[..] {
            println!(
                "Alerts on the topic and in ClickHouse: {all} ({fired} fired, {escalated} escalated, {resolved} resolved, {reset} reset with their period)"
            );
        }
        let accounts = self.query("SELECT sum(offsets_in), sum(counted), sum(duplicate), sum(conflict), sum(late), sum(rejected), sum(skipped) FROM cost_rhythm.pipeline_accounts")?;
        let counts: Vec<&str> = accounts.trim().split('\t').collect();
        if let [offsets, counted, duplicate, conflict, late, rejected, skipped] = counts[..] {
            println!(
                "Offsets in {offsets} = counted {counted} + duplicate {duplicate} + conflict {conflict} + late {late} + rejected {rejected} + skipped {skipped}"
            );
        }
        let total = self.query("SELECT toString(sum(cost)) FROM cost_rhythm.monthly_total")?;
        println!("Total: {} USD\n", total.trim());
        Ok(())
    }

    /// Recounts what went over the topic by other code than the pipeline's, and compares every row of every view.
    fn audit(&self, tee: Tee, sent: u64) -> anyhow::Result<ExitCode> {
        let mut recount = audit_command::new_recount(self.config, |_| Ok(None))?;
        for message in tee.finish(sent)? {
            recount.take(&message)?;
        }
        let expected = recount.finish();
        println!("Audit: recounted independently, total {} USD", expected.total_cost());
        let report = audit::compare(&expected, &self.config.clickhouse.database, Range::default(), 20, |sql| self.query(sql))?;
        Ok(audit_command::print(&report))
    }

    fn live(&self, sender: &mut Sender) -> anyhow::Result<ExitCode> {
        println!("Now live, {} events a second. Ctrl-C ends it.", self.args.rate);
        println!("Ask ClickHouse, for example:");
        println!(
            "  curl '{}' --data-binary \"SELECT window_start, model, calls, cost FROM cost_rhythm.hourly_by_model ORDER BY window_start DESC, cost DESC LIMIT 10 FORMAT PrettyCompact\"",
            self.config.clickhouse.url
        );
        println!("Health and metrics: http://{}/readyz and /metrics", self.http);
        println!("The page: {}\n", self.page());
        let start = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let begun = Instant::now();
        let mut told = Instant::now() - Duration::from_secs(60);
        for (number, message) in replay::live(start, self.args.rate, self.args.seed.wrapping_add(1))?.enumerate() {
            let due = Duration::from_secs_f64(number as f64 / self.args.rate);
            while begun.elapsed() < due && !self.interrupted.load(Ordering::SeqCst) {
                std::thread::sleep(due.saturating_sub(begun.elapsed()).min(Duration::from_millis(50)));
            }
            if self.interrupted.load(Ordering::SeqCst) {
                break;
            }
            sender.send(&message)?;
            if told.elapsed() > Duration::from_secs(5) {
                self.print_now()?;
                told = Instant::now();
            }
        }
        println!("\nEnding in order.");
        Ok(ExitCode::SUCCESS)
    }

    fn print_now(&self) -> anyhow::Result<()> {
        let line = self.query(
            "SELECT toString(now('UTC')), toString((SELECT round(sum(cost), 4) FROM cost_rhythm.hourly_total WHERE window_start = toStartOfHour(now('UTC')))), toString((SELECT round(sum(cost), 2) FROM cost_rhythm.daily_total WHERE window_start = toStartOfDay(now('UTC')))), toString((SELECT round(sum(cost), 2) FROM cost_rhythm.monthly_total WHERE window_start = toStartOfMonth(now('UTC')))), toString((SELECT count() FROM cost_rhythm.alerts))",
        )?;
        let cells: Vec<&str> = line.trim().split('\t').collect();
        if let [at, hour, day, month, alerts] = cells[..] {
            println!("{at}  this hour {hour} USD, today {day} USD, this month {month} USD, alerts {alerts}");
        }
        Ok(())
    }
}

fn progress(sent: u64, of: u64) {
    if !std::io::stdout().is_terminal() {
        return;
    }
    let share = sent as f64 / of.max(1) as f64;
    let filled = (share * 40.0) as usize;
    print!("\r  [{}{}] {sent} of {of}", "#".repeat(filled), " ".repeat(40 - filled.min(40)));
    // A terminal that went away ends the demo elsewhere.
    let _ = std::io::stdout().flush();
}

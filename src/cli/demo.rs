//! `cost-rhythm demo`: the whole pipeline on embedded parts, fed with real traces.
//!
//! The broker is librdkafka's in-process one, which keeps only the newest messages of a partition. So the demo sends no faster than
//! everybody reads, the recount for its own audit included.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use audit::{Message as AuditMessage, Range};
use engine::{Engine, EngineOptions, find_library};
use generate::replay;
use ingest::kafka::embedded::EmbeddedBroker;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use schemas::Timestamp;
use tokio::runtime::Runtime;

use super::generate::Sender;
use super::{audit as audit_command, io_runtime, start_logging};
use crate::config::{Config, LogFormat, load};
use crate::service::partitions::Partitions;
use crate::service::{Service, StageChoice, clickhouse, connect, signals};

const PARTITIONS: u32 = 4;
/// Messages that may be unread; the embedded broker keeps 80,000 per partition.
const MAX_UNREAD: u64 = 20_000;
/// Blocks that may be unread.
const MAX_UNREAD_BLOCKS: u64 = 2_000;

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(super) struct DemoArgs {
    /// Events of history that are replayed first
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// End after the replay: audit it, print the totals, exit 0 if all is equal, else 1
    #[arg(long)]
    exit: bool,
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

/// Runs the demo.
///
/// # Errors
/// A part cannot be started; the text says what to do.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    start_logging(LogFormat::Text, true);
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
    config.budgets.files =
        ["llm_platform", "cloud_platform", "saas_krw", "canary"].map(|name| format!("budgets/{name}.toml").into()).into();
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
    let demo = Demo { args, config, runtime, client, stages, http, interrupted };
    let outcome = demo.play();
    service.stop(runtime.handle());
    outcome
}

struct Demo<'a> {
    args: &'a DemoArgs,
    config: &'a Config,
    runtime: &'a Runtime,
    client: ClientConfig,
    stages: Vec<Partitions>,
    http: SocketAddr,
    interrupted: Arc<AtomicBool>,
}

impl Demo<'_> {
    fn play(&self) -> anyhow::Result<ExitCode> {
        println!("Replaying two weeks of history: {} events from real traces (Azure, Mooncake, ServeGen).", self.args.events);
        let tee = Tee::start(&self.client, &self.config.kafka.events_topic)?;
        let mut sender = Sender::new(&self.client, &self.config.kafka.events_topic)?;
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let begun = Instant::now();
        let mut sent = 0_u64;
        let mut shown = Instant::now();
        for message in replay::history(now, self.args.events, self.args.seed)? {
            sender.send(&message)?;
            sent += 1;
            if sent.is_multiple_of(256) {
                self.hold_back(&tee, sent, &sender)?;
            }
            if shown.elapsed() > Duration::from_millis(100) {
                progress(sent, self.args.events);
                shown = Instant::now();
            }
            if self.interrupted.load(Ordering::SeqCst) {
                println!();
                return Ok(ExitCode::SUCCESS);
            }
        }
        sender.finish()?;
        progress(sent, self.args.events);
        println!();
        self.await_accounts(sent)?;
        println!("Replayed, priced, summed up and written in {:.1} s.\n", begun.elapsed().as_secs_f64());
        self.print_totals()?;
        if self.args.exit {
            return self.audit(tee, sent);
        }
        drop(tee);
        self.live(&mut sender)
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
        Ok(self.runtime.block_on(clickhouse(self.config)?.query_rows(sql, "TabSeparated"))?)
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
        println!("The page: http://{}/\n", self.http);
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

/// Reads the input topic beside the pipeline, for the audit.
struct Tee {
    read: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
    messages: mpsc::Receiver<AuditMessage>,
}

impl Tee {
    fn start(client: &ClientConfig, topic: &str) -> anyhow::Result<Self> {
        let mut client = client.clone();
        client.set("group.id", "demo-audit").set("enable.auto.commit", "false").set("auto.offset.reset", "error");
        let consumer: BaseConsumer = client.create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS as i32 {
            list.add_partition_offset(topic, partition, Offset::Offset(0))?;
        }
        consumer.assign(&list)?;
        let (read, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let (sender, messages) = mpsc::channel();
        let (counted, stopped) = (Arc::clone(&read), Arc::clone(&stop));
        std::thread::Builder::new().name("demo-audit".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match consumer.poll(Duration::from_millis(50)) {
                    None => {}
                    Some(Err(error)) => tracing::warn!(%error, "the demo's own reader"),
                    Some(Ok(message)) => {
                        let headers =
                            message.headers().map(|all| all.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect());
                        let copied = AuditMessage {
                            partition: message.partition(),
                            offset: message.offset(),
                            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
                            key: message.key().map(<[u8]>::to_vec),
                            payload: message.payload().map(<[u8]>::to_vec),
                            headers: headers.unwrap_or_default(),
                        };
                        counted.fetch_add(1, Ordering::Relaxed);
                        if sender.send(copied).is_err() {
                            return;
                        }
                    }
                }
            }
        })?;
        Ok(Tee { read, stop, messages })
    }

    fn read(&self) -> u64 {
        u64::try_from(self.read.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// All messages, partition by partition in order.
    fn finish(self, sent: u64) -> anyhow::Result<Vec<AuditMessage>> {
        let mut all = BTreeMap::new();
        while (all.len() as u64) < sent {
            let message = self.messages.recv_timeout(Duration::from_secs(30)).context("the demo's own reader has not seen all messages")?;
            all.insert((message.partition, message.offset), message);
        }
        Ok(all.into_values().collect())
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

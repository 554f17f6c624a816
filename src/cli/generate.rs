//! `cost-rhythm generate`

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use generate::{EVENT_SCHEMA, Formats, Generated, Generator, Ledger, Options, Pace, Shares};
use ingest::registry::RegistryClient;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::Timestamp;

use super::producing::send;
use super::{ConfigArg, start_logging};
use crate::service::connect;

/// Registering our schema is asked for once: a registry that has just started may take so long.
const REGISTERED_WITHIN: Duration = Duration::from_secs(30);

/// Arguments of `generate`.
#[derive(clap::Args)]
pub(super) struct GenerateArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// How many messages
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// Live load: so many events a second, each at its own time; without it, flat out
    #[arg(long)]
    rate: Option<f64>,
    /// Send at most so many messages a second; event times stay as they are
    #[arg(long)]
    throttle: Option<f64>,
    /// Of the random sequence: the same seed and --end give the same messages [default: another one each time, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// How many users
    #[arg(long, default_value_t = 10_000)]
    users: u32,
    /// When event time ends (RFC 3339); without it, now
    #[arg(long, value_name = "TIME")]
    end: Option<jiff::Timestamp>,
    /// Event time covered, in hours (at most 336)
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Which formats
    #[arg(long, value_enum, default_value = "json")]
    formats: FormatChoice,
    /// Mix in duplicates, late, future, conflicting, unpriced and malformed messages
    #[arg(long)]
    trouble: bool,
    /// Duplicates per million, in place of the preset
    #[arg(long)]
    duplicates: Option<u32>,
    /// Malformed messages per million, in place of the preset
    #[arg(long)]
    malformed: Option<u32>,
    /// Late messages per million, in place of the preset
    #[arg(long)]
    late: Option<u32>,
    /// Conflicting messages per million, in place of the preset
    #[arg(long)]
    conflicts: Option<u32>,
    /// Credits (negative amounts) and adjustments per million each, in place of the preset
    #[arg(long)]
    credits: Option<u32>,
    /// Events up to twenty days older than their neighbours per million, in place of the preset
    #[arg(long)]
    out_of_order: Option<u32>,
    /// Write down every message and what must come of it, one JSON line each
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatChoice {
    /// JSON
    Json,
    /// Avro in Confluent framing, its schema registered first
    Avro,
    /// Avro single-object encoding
    AvroSingle,
    /// Everything
    All,
}

impl FormatChoice {
    fn formats(self) -> Formats {
        let none = Formats::default();
        match self {
            FormatChoice::Json => Formats::JSON,
            FormatChoice::Avro => Formats { avro_confluent: 1, ..none },
            FormatChoice::AvroSingle => Formats { avro_single: 1, ..none },
            FormatChoice::All => Formats::ALL,
        }
    }
}

/// Sends.
///
/// # Errors
/// Kafka or the registry cannot be reached, or options that do not go together.
pub(super) fn run(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let client = connect::kafka_client(&config)?;
    let topic = config.kafka.topic(&config.kafka.events_topic);
    let formats = args.formats.formats();
    let schema_id = match connect::registry_options(&config) {
        _ if formats.avro_confluent == 0 => 1,
        None => bail!("CR-4101: Avro in Confluent framing needs registry.url; or choose --formats avro-single"),
        Some(mut options) => {
            options.timeout = options.timeout.max(REGISTERED_WITHIN);
            RegistryClient::new(&options)?.register(&format!("{topic}-value"), EVENT_SCHEMA)?
        }
    };
    let seed = args.seed.unwrap_or_else(|| u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs()));
    let generator = Generator::new(options(args, seed, formats, schema_id)?)?;
    let mut ledger = match &args.ledger {
        None => None,
        Some(path) => Some(Ledger::new(BufWriter::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?))),
    };
    let mut sender = Sender::new(&client, &topic)?;
    let begun = Instant::now();
    let mut told = begun;
    for (number, message) in generator.enumerate() {
        if let Some(rate) = args.rate.or(args.throttle) {
            let due = Duration::from_secs_f64(number as f64 / rate);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        if let Some(ledger) = &mut ledger {
            ledger.write(&message)?;
        }
        sender.send(&message)?;
        if told.elapsed() > Duration::from_secs(2) {
            eprintln!("generate: {} of {} sent", number + 1, args.count);
            told = Instant::now();
        }
    }
    sender.finish()?;
    if let Some(ledger) = ledger {
        ledger.finish()?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} messages sent to {topic} in {seconds:.1} s ({:.0} a second), seed {seed}", args.count, args.count as f64 / seconds);
    Ok(ExitCode::SUCCESS)
}

fn options(args: &GenerateArgs, seed: u64, formats: Formats, schema_id: u32) -> anyhow::Result<Options> {
    let now = Timestamp::from_millis(args.end.unwrap_or_else(jiff::Timestamp::now).as_millisecond());
    let span_us = (args.hours * 3.6e9) as i64;
    let preset = if args.trouble { Shares::TROUBLED } else { Shares::ORDINARY };
    let shares = Shares {
        duplicate: args.duplicates.unwrap_or(preset.duplicate),
        malformed: args.malformed.unwrap_or(preset.malformed),
        late: args.late.unwrap_or(preset.late),
        conflict: args.conflicts.unwrap_or(preset.conflict),
        credit: args.credits.unwrap_or(preset.credit),
        adjustment: args.credits.unwrap_or(preset.adjustment),
        out_of_order: args.out_of_order.unwrap_or(preset.out_of_order),
        ..preset
    };
    let base = Options { users: args.users, formats, shares, schema_id, ..Options::ending_at(now, seed, args.count) };
    Ok(match args.rate {
        // Live: events happen as they are sent.
        Some(rate) => Options { start: now, pace: Pace::PerSecond(rate), ..base },
        None => Options { start: now.plus(-span_us), pace: Pace::Span(span_us), ..base },
    })
}

/// Sends generated messages, in order per key.
pub(super) struct Sender {
    producer: BaseProducer,
    topic: String,
}

impl Sender {
    pub(super) fn new(client: &ClientConfig, topic: &str) -> anyhow::Result<Self> {
        let mut client = client.clone();
        connect::producing_events(&mut client)
            .set("compression.type", "zstd")
            .set("linger.ms", "20")
            .set("batch.size", "262144")
            .set("message.max.bytes", "10000000")
            .set("queue.buffering.max.messages", "500000");
        Ok(Sender { producer: client.create()?, topic: topic.to_owned() })
    }

    pub(super) fn send(&mut self, message: &Generated) -> anyhow::Result<()> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic);
        record.key = message.key.as_deref();
        record.payload = message.payload.as_deref();
        if !message.headers.is_empty() {
            let headers =
                message.headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
            record = record.headers(headers);
        }
        send(&self.producer, record)
    }

    /// Messages not yet acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }

    /// Waits until everything is acknowledged.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.producer.flush(Duration::from_secs(120)).context("not everything that was sent is acknowledged")
    }
}

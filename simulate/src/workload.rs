//! What is in the input topic, and what must come of it by the independent recount.

use std::sync::Arc;

use generate::{EVENT_SCHEMA, Formats, Generator, Options, Pace, Shares};
use processor::meter::MeterRules;
use processor::pricing::{Prefer, Pricer};
use schemas::budget::Budget;
use schemas::calendar::Calendar;
use schemas::notes::Notes;
use schemas::price_book::PriceBook;
use schemas::rates::Rates;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};
use schemas::{Dimension, GroupingSet, Money, Timestamp};

use cost_rhythm::config::{Config, Historical, Rules, load};
use cost_rhythm::stages::spend_figures::SpendFigures;
use cost_rhythm::stages::{MeterFactory, MonitorFactory, StageFactory};
use ingest::codec::{Decoder, DecoderOptions};

use crate::world::{LogData, Record};

const PRICES: &str = include_str!("../../prices/public.toml");
const RATES: &str = include_str!("../../prices/rates.toml");
/// Small enough for a few hundred calls to reach.
const BUDGETS: &str = r#"
[[budget]]
name = "all-hourly"
limit = "0.05"
window = "hourly"
thresholds = [{ at = "0.5", level = "info" }, { at = "1", level = "warning" }, { at = "4", level = "critical" }]
[[budget]]
name = "each-user"
limit = "0.1"
window = "daily"
per = ["user_id"]
thresholds = [{ at = "0.8", level = "warning" }, { at = "1", level = "critical" }]
[[budget]]
name = "cloud"
limit = "300"
window = "monthly"
per = ["service"]
thresholds = [{ at = "0.1", level = "info" }, { at = "0.5", level = "warning" }, { at = "1", level = "emergency" }]
projected = [{ at = "0.5", level = "warning" }, { at = "2", level = "critical" }]
[[budget]]
name = "won"
limit = "2000"
currency = "KRW"
window = "daily"
thresholds = [{ at = "0.5", level = "warning" }, { at = "1", level = "critical" }]
projected = [{ at = "1", level = "info" }]
[[budget]]
name = "three-hours"
limit = "0.1"
window = "rolling"
hours = 3
per = ["user_id"]
thresholds = [{ at = "0.5", level = "warning" }, { at = "1", level = "critical" }]
"#;

/// Partitions of the partials topic.
pub(crate) const SHARDS: usize = 2;

/// The input topic and the rules over it.
pub struct Workload {
    /// The log, by partition.
    pub(crate) events: Vec<LogData>,
    /// When the last message was appended, microseconds since 1970.
    pub(crate) end_us: i64,
}

/// Makes stages.
pub struct Factories {
    /// Of the input topic.
    pub(crate) meter: Arc<dyn StageFactory>,
    /// Of the partials topic.
    pub(crate) monitor: Arc<dyn StageFactory>,
}

fn sets() -> Vec<GroupingSet> {
    vec![
        GroupingSet::new("total", &[]),
        GroupingSet::new("model", &[Dimension::Provider, Dimension::Model]),
        GroupingSet::new("service", &[Dimension::Service]),
        GroupingSet::new("user", &[Dimension::UserId]),
    ]
}

/// What went wrong before anything ran.
pub type SetUpError = Box<dyn std::error::Error>;

impl Workload {
    /// `count` messages in all formats that need no registry, with every trouble mixed in, on `partitions` partitions, with gaps.
    ///
    /// # Errors
    /// The generator refuses its options.
    pub fn generate(seed: u64, count: u64, partitions: usize) -> Result<Self, SetUpError> {
        let end = Timestamp::parse("2026-11-22T12:00:00Z")?;
        let span_us = 30 * HOUR_US;
        let options = Options {
            start: end.plus(-span_us),
            pace: Pace::Span(span_us),
            formats: Formats { avro_confluent: 0, ..Formats::ALL },
            shares: Shares {
                duplicate: 80_000,
                credit: 30_000,
                adjustment: 20_000,
                out_of_order: 40_000,
                cost: 80_000,
                ..Shares::TROUBLED
            },
            users: 4,
            ..Options::ending_at(end, seed, count)
        };
        let end_us = end.plus(MINUTE_US).micros();
        let mut events = vec![LogData::new(); partitions];
        for generated in Generator::new(options)? {
            let key = generated.key.as_deref().unwrap_or_default();
            let partition = key.iter().map(|byte| usize::from(*byte)).sum::<usize>() % partitions;
            let headers = generated.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let log = &mut events[partition];
            log.push(Some(Arc::new(Record { key: generated.key, payload: generated.payload, headers, timestamp_us: end_us })));
            if generated.number % 37 == 5 {
                log.push(None);
            }
        }
        Ok(Workload { events, end_us })
    }

    pub(crate) fn messages(&self) -> usize {
        self.events.iter().map(Vec::len).sum()
    }

    /// What the tables and the dead letters must hold.
    ///
    /// # Errors
    /// The recount cannot read what it is given.
    pub fn recount(&self) -> Result<audit::Expected, SetUpError> {
        let sets = [("total", &[][..]), ("model", &["provider", "model"]), ("service", &["service"]), ("user", &["user_id"])];
        let sets = sets.map(|(name, key)| audit::GroupingSet::new(name, key)).to_vec();
        let rules = audit::Rules::new(&[PRICES, RATES], "UTC", sets)?;
        let mut recount = audit::Recount::new(rules, &[EVENT_SCHEMA], |_| Ok(None))?;
        for (partition, log) in self.events.iter().enumerate() {
            let partition = partition as i32;
            recount.begin(partition, 0);
            for (offset, record) in log.iter().enumerate() {
                let Some(record) = record else { continue };
                recount.take(&audit::Message {
                    partition,
                    offset: offset as i64,
                    timestamp_ms: record.timestamp_us / 1000,
                    key: record.key.clone(),
                    payload: record.payload.clone(),
                    headers: record.headers.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
                })?;
            }
            recount.end(partition, log.len() as i64);
        }
        Ok(recount.finish())
    }
}

impl Factories {
    /// The service's own, under the simulation's rules.
    ///
    /// # Errors
    /// The built-in configuration, prices or budgets cannot be read.
    pub fn new() -> Result<Self, SetUpError> {
        let mut config: Config = load(None)?;
        // Small amounts are told of as well.
        (config.watch.min_amount, config.watch.hour_above) = (Money::from_units(10_i128.pow(12)), Money::from_units(10_i128.pow(17)));
        // So few that series take each other's place.
        config.watch.max_series = 3;
        config.alerts.historical = Historical::Tell;
        let mut rules = Rules {
            sets: sets(),
            book: PriceBook::parse_all(&[("prices", PRICES)])?,
            rates: Rates::parse_all(&[("rates", RATES)])?,
            budgets: Budget::parse_all(&[("budgets", BUDGETS)])?,
            calendar: Calendar::new("UTC")?,
            notes: Notes::default(),
        };
        for budget in &rules.budgets {
            let set = budget.grouping_set(&rules.sets);
            if !rules.sets.contains(&set) {
                rules.sets.push(set);
            }
        }
        let pricer = Pricer::new(Arc::new(rules.book.clone()), Arc::new(rules.rates.clone()), Prefer::Book);
        let meter_rules = MeterRules { horizon_us: 35 * DAY_US, ..MeterRules::new(rules.sets.clone()) };
        let meter = MeterFactory {
            rules_hash: rules.meter_hash(&meter_rules, &pricer),
            rules: meter_rules,
            pricer,
            decoder: Decoder::new(DecoderOptions::default())?,
            shards: SHARDS as i32,
            usage_events: true,
            // So few that runs are made and merged, and most look-ups go through them.
            recent_identities: 4,
            figures: SpendFigures::new(4),
        };
        Ok(Factories { meter: Arc::new(meter), monitor: Arc::new(MonitorFactory::new(&config, &rules)) })
    }
}

//! The generator says what must become of each message, the pipeline's decoder and meter say what becomes of it, and the audit
//! says the same by other code: all three agree, message by message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::type_complexity, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use audit::{Granularity, Recount};
use bumpalo::Bump;
use generate::{EVENT_SCHEMA, Formats, Generated, Generator, Options, Shares};
use ingest::codec::{Decoded, Decoder, DecoderOptions};
use processor::meter::{Fate, Meter, MeterPlace, MeterRules};
use processor::pricing::{Prefer, Pricer};
use runtime::io::Message;
use schemas::partial::{Block, PartialCell};
use schemas::price_book::PriceBook;
use schemas::rates::Rates;
use schemas::timestamp::DAY_US;
use schemas::{GroupingSet, Money, Timestamp};

const PRICES: &str = include_str!("../prices/public.toml");
const RATES: &str = include_str!("../prices/rates.toml");
const PARTITIONS: usize = 4;

fn pricer() -> Pricer {
    let book = PriceBook::parse_all(&[("prices", PRICES)]).unwrap();
    let rates = Rates::parse_all(&[("rates", RATES)]).unwrap();
    Pricer::new(Arc::new(book), Arc::new(rates), Prefer::Book)
}

/// The pipeline's meters and the audit's recount of the same messages.
struct World {
    meters: Vec<Meter>,
    decoder: Decoder,
    recount: Recount<'static>,
    /// The last value of every cell: set, start (seconds), values; partition, generation; version, events, cost.
    cells: HashMap<(String, i64, Vec<String>), HashMap<(usize, i64), (i64, u64, Money)>>,
}

impl World {
    fn new(rules: &MeterRules) -> Self {
        let place = |partition| MeterPlace { topic: "in".into(), partition, inputs: PARTITIONS as i32, shards: 1 };
        let sets = audit::GroupingSet::defaults().into_iter().map(|set| {
            let limit = rules.sets.iter().find(|own| own.name == set.name).unwrap().max_series;
            audit::GroupingSet { max_series: limit as usize, ..set }
        });
        let mut recount_rules = audit::Rules::new(&[PRICES, RATES], "UTC", sets.collect()).unwrap();
        recount_rules.limits = audit::Limits {
            lateness: Duration::from_micros(rules.lateness_us as u64),
            retain: Duration::from_micros(rules.retain_us as u64),
            max_rows: rules.max_cells,
        };
        World {
            meters: (0..PARTITIONS).map(|p| Meter::new(rules.clone(), place(p as i32), pricer(), 0)).collect(),
            decoder: Decoder::new(DecoderOptions::default()).unwrap(),
            recount: Recount::new(recount_rules, &[EVENT_SCHEMA], |_| Ok(None)).unwrap(),
            cells: HashMap::new(),
        }
    }

    /// What the pipeline and the audit say of a message.
    fn take(&mut self, generated: &Generated, log_time: Timestamp) -> (String, String) {
        let partition = generated.key.as_ref().map_or(0, |key| key.iter().map(|b| usize::from(*b)).sum::<usize>()) % PARTITIONS;
        let meter = &mut self.meters[partition];
        let offset = meter.accounts().next_offset;
        let headers: Vec<(&str, &[u8])> = generated.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let message = Message {
            offset,
            timestamp: log_time,
            key: generated.key.as_deref(),
            payload: generated.payload.as_deref(),
            headers: &headers,
        };
        let arena = Bump::new();
        let found = match self.decoder.decode(&message, &arena) {
            Decoded::Event(event) => match meter.fold(offset, log_time, &event).unwrap() {
                Fate::Counted(_) => "counted".to_owned(),
                Fate::Duplicate => "duplicate".to_owned(),
                Fate::Refused(_, rejection) => rejection.reason.code().to_owned(),
            },
            Decoded::Rejected(rejection) => {
                meter.refuse(offset, schemas::Outcome::Rejected);
                rejection.reason.code().to_owned()
            }
            Decoded::Waiting(reason) => panic!("{reason}"),
        };
        if offset % 500 == 0 {
            meter.flush();
        }
        self.read_blocks(partition);
        let recounted = self
            .recount
            .take(&audit::Message {
                partition: partition as i32,
                offset,
                timestamp_ms: log_time.micros() / 1000,
                key: generated.key.clone(),
                payload: generated.payload.clone(),
                headers: generated.headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.clone()))).collect(),
            })
            .unwrap();
        (found, recounted.reason().unwrap_or(recounted.name()).to_owned())
    }

    fn read_blocks(&mut self, partition: usize) {
        for block in self.meters[partition].take_blocks() {
            let each = |cell: PartialCell<'_>| {
                let values = cell.values.iter().map(|value| (*value).to_owned()).collect();
                let row = self.cells.entry((cell.set.to_owned(), cell.bucket.start().micros() / 1_000_000, values)).or_default();
                let held = row.entry((partition, cell.generation)).or_default();
                if cell.version > held.0 {
                    *held = (cell.version, cell.measures.events, cell.measures.cost);
                }
            };
            Block::read(&block.bytes).unwrap().for_each_cell(each).unwrap();
        }
    }

    /// Events and cost of every quarter hour's rows of a set, by the pipeline and by the audit.
    fn rows(mut self, set: &str) -> [BTreeMap<(i64, Vec<String>), (i128, String)>; 2] {
        for partition in 0..PARTITIONS {
            self.meters[partition].flush();
            self.read_blocks(partition);
        }
        let own = self.cells.into_iter().filter(|((name, ..), _)| name == set).map(|((_, start_s, values), cells)| {
            let events: u64 = cells.values().map(|(_, events, _)| events).sum();
            let cost = cells.values().fold(Money::ZERO, |sum, (_, _, cost)| sum.checked_add(*cost).unwrap());
            ((start_s, values), (i128::from(events), cost.to_string()))
        });
        let expected = self.recount.finish();
        let recounted = expected
            .views_of(set, Granularity::QuarterHour)
            .map(|(key, measures)| (key, (measures.count("events").unwrap(), measures.cost.to_string())));
        [own.collect(), recounted.collect()]
    }
}

#[test]
fn generator_pipeline_and_audit_agree_on_every_message() {
    let end = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
    let log_time = end.plus(60_000_000);
    let formats = Formats { avro_confluent: 0, ..Formats::ALL };
    let span_us = 14 * DAY_US;
    for seed in 1..=3 {
        let options = Options {
            start: end.plus(-span_us),
            pace: generate::Pace::Span(span_us),
            formats,
            shares: Shares::TROUBLED,
            users: 500,
            ..Options::ending_at(end, seed, 40_000)
        };
        let mut world = World::new(&MeterRules::new(GroupingSet::defaults()));
        let mut wrong = BTreeMap::<String, (u64, String)>::new();
        for generated in Generator::new(options).unwrap() {
            let (found, audited) = world.take(&generated, log_time);
            let expected = generated.expected.reason().map_or(generated.expected.name(), |reason| reason.code());
            if found != expected || audited != expected {
                let payload = String::from_utf8_lossy(generated.payload.as_deref().unwrap_or_default()).into_owned();
                let entry = wrong.entry(format!("expected {expected}, pipeline {found}, audit {audited}")).or_insert((0, payload));
                entry.0 += 1;
            }
        }
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        assert!(world.meters.iter().all(|meter| meter.accounts().is_conserved()));
    }
}

/// More users than a set may hold, windows that are put away (by age or because there are too many rows) and opened again.
#[test]
fn over_the_limit_of_a_set_pipeline_and_audit_put_the_same_values_under_other() {
    let end = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
    let shares = Shares { out_of_order: 200_000, ..Shares::TROUBLED };
    for (seed, max_cells) in [(1, 4_000_000), (2, 300)] {
        let sets = GroupingSet::defaults().into_iter().map(|set| GroupingSet { max_series: 20, ..set });
        let rules = MeterRules { max_cells, ..MeterRules::new(sets.collect()) };
        let options = Options {
            start: end.plus(-DAY_US),
            pace: generate::Pace::Span(DAY_US),
            shares,
            users: 2000,
            ..Options::ending_at(end, seed, 40_000)
        };
        let mut world = World::new(&rules);
        for generated in Generator::new(options).unwrap() {
            world.take(&generated, end.plus(60_000_000));
        }
        let [own, recounted] = world.rows("user");
        let windows: BTreeSet<i64> = own.keys().map(|(start_s, _)| *start_s).collect();
        let most = windows.iter().map(|start_s| own.range((*start_s, vec![])..(start_s + 1, vec![])).count()).max().unwrap();
        assert!(own.keys().any(|(_, values)| values[0] == "__other__") && most > 20 * PARTITIONS + 1, "no window was opened again");
        let different: Vec<_> = recounted.iter().filter(|(key, row)| own.get(*key) != Some(row)).take(5).collect();
        assert!(
            own.len() == recounted.len() && different.is_empty(),
            "seed {seed}: {} rows, {}: {different:?}",
            own.len(),
            recounted.len()
        );
    }
}

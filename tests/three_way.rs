//! The generator says what must become of each message, the pipeline's decoder and meter say what becomes of it, and the audit
//! says the same by other code: all three agree, message by message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::type_complexity, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use audit::Recount;
use bumpalo::Bump;
use generate::{EVENT_SCHEMA, Formats, Generator, Options, Shares};
use ingest::codec::{Decoded, Decoder, DecoderOptions};
use processor::meter::{Fate, Meter, MeterPlace, MeterRules};
use processor::pricing::{Prefer, Pricer};
use runtime::io::Message;
use schemas::price_book::PriceBook;
use schemas::rates::Rates;
use schemas::{GroupingSet, Timestamp};

const PRICES: &str = include_str!("../prices/public.toml");
const RATES: &str = include_str!("../prices/rates.toml");
const PARTITIONS: usize = 4;

fn pricer() -> Pricer {
    let book = PriceBook::parse_all(&[("prices", PRICES)]).unwrap();
    let rates = Rates::parse_all(&[("rates", RATES)]).unwrap();
    Pricer::new(Arc::new(book), Arc::new(rates), Prefer::Book)
}

#[test]
fn generator_pipeline_and_audit_agree_on_every_message() {
    let end = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
    let log_time = end.plus(60_000_000);
    let formats = Formats { avro_confluent: 0, ..Formats::ALL };
    let span_us = 14 * schemas::timestamp::DAY_US;
    for seed in 1..=3 {
        let options = Options {
            start: end.plus(-span_us),
            pace: generate::Pace::Span(span_us),
            formats,
            shares: Shares::TROUBLED,
            users: 500,
            ..Options::ending_at(end, seed, 40_000)
        };
        let place = |partition| MeterPlace { topic: "in".into(), partition, inputs: PARTITIONS as i32, shards: 1 };
        let mut meters: Vec<Meter> =
            (0..PARTITIONS).map(|p| Meter::new(MeterRules::new(GroupingSet::defaults()), place(p as i32), pricer(), 0)).collect();
        let mut decoder = Decoder::new(DecoderOptions::default()).unwrap();
        let rules = audit::Rules::new(&[PRICES, RATES], "UTC", audit::GroupingSet::defaults()).unwrap();
        let mut recount = Recount::new(rules, &[EVENT_SCHEMA], |_| Ok(None)).unwrap();
        let mut wrong = BTreeMap::<String, (u64, String)>::new();
        for generated in Generator::new(options).unwrap() {
            let partition = generated.key.as_ref().map_or(0, |key| key.iter().map(|b| usize::from(*b)).sum::<usize>()) % PARTITIONS;
            let offset = meters[partition].accounts().next_offset;
            let headers: Vec<(&str, &[u8])> = generated.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            let message = Message {
                offset,
                timestamp: log_time,
                key: generated.key.as_deref(),
                payload: generated.payload.as_deref(),
                headers: &headers,
            };
            let arena = Bump::new();
            let meter = &mut meters[partition];
            let found = match decoder.decode(&message, &arena) {
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
            meter.take_blocks();
            let recounted = recount
                .take(&audit::Message {
                    partition: partition as i32,
                    offset,
                    timestamp_ms: log_time.micros() / 1000,
                    key: generated.key.clone(),
                    payload: generated.payload.clone(),
                    headers: generated.headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.clone()))).collect(),
                })
                .unwrap();
            let expected = generated.expected.reason().map_or(generated.expected.name(), |reason| reason.code());
            let audited = recounted.reason().unwrap_or(recounted.name());
            if found != expected || audited != expected {
                let payload = String::from_utf8_lossy(generated.payload.as_deref().unwrap_or_default()).into_owned();
                let entry = wrong.entry(format!("expected {expected}, pipeline {found}, audit {audited}")).or_insert((0, payload));
                entry.0 += 1;
            }
        }
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        assert!(meters.iter().all(|meter| meter.accounts().is_conserved()));
    }
}

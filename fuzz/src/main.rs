//! Feeds bytes to everything that reads what others have written. `scripts/fuzz.sh TARGET` runs one target, from `fuzz/seeds/TARGET`.
#![no_main]

use std::sync::LazyLock;

use bumpalo::Bump;
use ingest::codec::{Decoded, Decoder, DecoderOptions};
use libfuzzer_sys::fuzz_target;
use processor::meter::{Meter, MeterPlace, MeterRules};
use processor::monitor::{Monitor, MonitorLimits, MonitorRules, WatchRules};
use processor::pricing::Pricer;
use runtime::io::Message;
use schemas::budget::Budget;
use schemas::calendar::Calendar;
use schemas::price_book::PriceBook;
use schemas::rates::Rates;
use schemas::timestamp::HOUR_US;
use schemas::{GroupingSet, Timestamp};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 7] = [
    ("decoders", decoders),
    ("meter_state", meter_state),
    ("monitor_state", monitor_state),
    ("partials", partials),
    ("snapshot", snapshot),
    ("configuration", configuration),
    ("engine_front", engine::fuzz::front),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET={name}: expected one of {:?}", TARGETS.map(|(name, _)| name))).1
});

fuzz_target!(|data: &[u8]| TARGET(data));

/// A message: the first byte chooses the content type, the rest is the payload. What is decoded is folded, flushed, saved and restored.
fn decoders(data: &[u8]) {
    let Some((kind, payload)) = data.split_first() else { return };
    let types: [&[(&str, &[u8])]; 4] = [
        &[],
        &[("content-type", b"application/cloudevents+json")],
        &[
            ("content-type", b"application/json"),
            ("ce_specversion", b"1.0"),
            ("ce_id", b"1"),
            ("ce_source", b"s"),
            ("ce_type", b"cost-rhythm.usage"),
        ],
        &[
            ("content-type", b"avro/binary"),
            ("ce_specversion", b"1.0"),
            ("ce_id", b"1"),
            ("ce_source", b"s"),
            ("ce_type", b"cost-rhythm.usage"),
        ],
    ];
    let mut decoder = Decoder::new(DecoderOptions::default()).unwrap();
    let arena = Bump::new();
    let timestamp = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
    let message = Message { offset: 5, timestamp, key: None, payload: Some(payload), headers: types[usize::from(*kind) % types.len()] };
    if let Decoded::Event(event) = decoder.decode(&message, &arena) {
        let mut meter = Meter::new(rules(), place(), Pricer::without_prices(), 5);
        let _ = meter.fold(5, timestamp, &event);
        meter.flush();
        meter.take_blocks();
        let state = meter.snapshot().unwrap();
        Meter::restore(&state, rules(), place(), Pricer::without_prices()).unwrap();
    }
}

fn rules() -> MeterRules {
    MeterRules::new(GroupingSet::defaults())
}

fn place() -> MeterPlace {
    MeterPlace { topic: "in".to_owned(), partition: 0, inputs: 1, shards: 1 }
}

fn meter_state(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let (state, segment) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    if let Ok(mut meter) = Meter::restore(state, rules(), place(), Pricer::without_prices()) {
        meter.restore_segment(segment);
        meter.flush();
        meter.snapshot().unwrap();
    }
}

fn monitor_rules() -> MonitorRules {
    let budget = "[[budget]]\nname = \"b\"\nlimit = \"1\"\nwindow = \"daily\"\nper = [\"user_id\"]\nthresholds = [{ at = \"0.8\", level = \"warning\" }]\n";
    MonitorRules {
        sets: GroupingSet::defaults(),
        budgets: Budget::parse_all(&[("b.toml", budget)]).unwrap(),
        rates: Rates::default(),
        calendar: Calendar::new("Asia/Seoul").unwrap(),
        retain_us: HOUR_US,
        watch: WatchRules::default(),
        limits: MonitorLimits::default(),
    }
}

fn monitor_state(data: &[u8]) {
    if let Ok(mut monitor) = Monitor::restore(data, monitor_rules()) {
        monitor.flush(&mut ());
        // A state may be refused later for sums that do not fit.
        if let Ok(state) = monitor.snapshot() {
            Monitor::restore(&state, monitor_rules()).unwrap();
        }
    }
}

fn partials(data: &[u8]) {
    let mut monitor = Monitor::new(monitor_rules(), 0);
    if monitor.apply(0, data).is_ok() {
        monitor.flush(&mut ());
        let state = monitor.snapshot().unwrap();
        Monitor::restore(&state, monitor_rules()).unwrap();
    }
}

fn snapshot(data: &[u8]) {
    if let Ok((head, state)) = runtime::snapshot::decode(data) {
        assert_eq!(runtime::snapshot::decode(&runtime::snapshot::encode(&head, &state).unwrap()).unwrap(), (head, state));
    }
}

/// One text as every file that an operator writes.
fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = PriceBook::parse_all(&[("prices.toml", text)]);
    let _ = Rates::parse_all(&[("rates.toml", text)]);
    let _ = Budget::parse_all(&[("budgets.toml", text)]);
    let _ = cost_rhythm::config::from_text(text, None);
}

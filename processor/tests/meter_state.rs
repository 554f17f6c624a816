//! The stored format of a meter's state. Its bytes are golden per version: a program must go on reading what an earlier one wrote.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use processor::meter::{Fate, Meter, MeterPlace, MeterRules, SNAPSHOT_VERSION, SnapshotError};
use processor::pricing::Pricer;
use schemas::event::Amount;
use schemas::{Currency, Dimension, Event, GroupingSet, Kind, Money, Outcome, Timestamp, Tokens};

fn rules() -> MeterRules {
    let sets = vec![GroupingSet::new("total", &[]), GroupingSet::new("model", &[Dimension::Provider, Dimension::Model])];
    MeterRules::new(sets)
}

fn place() -> MeterPlace {
    MeterPlace { topic: "usage-events".into(), partition: 3, inputs: 4, shards: 2 }
}

fn fold(meter: &mut Meter, offset: i64, id: &str, at: &str, cents: i64) -> Fate {
    let at = Timestamp::parse(at).unwrap();
    let mut dimensions = [""; Dimension::COUNT];
    dimensions[Dimension::Provider as usize] = "anthropic";
    dimensions[Dimension::Model as usize] = "claude-haiku-4-5";
    let event = Event {
        source: "golden",
        event_id: id,
        occurred_at: at,
        kind: Kind::Cost,
        adjusts: "",
        dimensions,
        tokens: Tokens { uncached_input: 7, output: 5, ..Tokens::default() },
        usage_known: true,
        amount: Some(Amount { value: Money::from_units(i128::from(cents) * 10_i128.pow(16)), currency: Currency::USD }),
        revenue: None,
        latency_ms: Some(120),
        status: "ok",
        error_type: "",
        tags: &[],
        attributes: &[],
    };
    meter.fold(offset, at, &event).unwrap()
}

/// Two open buckets, a credit, a duplicate, a refused message and a gap.
fn meter() -> Meter {
    let mut meter = Meter::new(rules(), place(), Pricer::without_prices(), 100);
    fold(&mut meter, 100, "a", "2026-11-22T10:05:00Z", 125);
    fold(&mut meter, 101, "b", "2026-11-22T10:20:00.000001Z", -50);
    assert_eq!(fold(&mut meter, 102, "b", "2026-11-22T10:20:00.000001Z", -50), Fate::Duplicate);
    meter.refuse(103, Outcome::Rejected);
    meter.skip_to(110);
    meter.flush();
    meter.take_blocks();
    meter
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const STATE: &str = include_str!("../golden/meter_state_v2.hex");
const STATE_V1: &str = include_str!("../golden/meter_state_v1.hex");
const SEGMENT: &str = include_str!("../golden/meter_segment_v1.hex");

#[test]
fn the_bytes_are_the_golden_ones() {
    let mut meter = meter();
    let state = hex(&meter.snapshot().unwrap());
    if std::env::var_os("REGENERATE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/meter_state_v2.hex"), format!("{state}\n")).unwrap();
    }
    assert_eq!(state, STATE.trim(), "a change needs a new SNAPSHOT_VERSION");
    let segment = meter.take_segment();
    assert_eq!((hex(&segment.bytes), segment.expires_day), (SEGMENT.trim().to_owned(), 20_815));
    assert_eq!(SNAPSHOT_VERSION, 2);
}

#[test]
fn a_meter_from_the_golden_bytes_goes_on_like_the_one_that_wrote_them() {
    for state in [STATE, STATE_V1] {
        goes_on(state);
    }
}

fn goes_on(state: &str) {
    let mut restored = Meter::restore(&bytes(state), rules(), place(), Pricer::without_prices()).unwrap();
    restored.restore_segment(&bytes(SEGMENT));
    let mut original = meter();
    for meter in [&mut original, &mut restored] {
        assert_eq!(fold(meter, 110, "a", "2026-11-22T10:05:00Z", 125), Fate::Duplicate);
        assert!(matches!(fold(meter, 111, "b", "2026-11-22T10:20:00.000001Z", 50), Fate::Refused(Outcome::Conflict, _)));
        assert!(matches!(fold(meter, 112, "c", "2026-11-22T10:06:00Z", 1), Fate::Counted(_)));
        meter.flush();
    }
    assert!(original.take_blocks().eq(restored.take_blocks()), "cells, versions, generations and accounts");
}

#[test]
fn other_versions_and_damaged_bytes_are_refused_by_name() {
    let restore = |bytes: &[u8]| Meter::restore(bytes, rules(), place(), Pricer::without_prices()).map(|_| ());
    let mut newer = bytes(STATE);
    newer[0] = 3;
    assert_eq!(restore(&newer), Err(SnapshotError::Version(3)));
    let whole = bytes(STATE);
    for length in 0..whole.len() {
        assert!(restore(&whole[..length]).is_err(), "cut after {length} bytes");
    }
}

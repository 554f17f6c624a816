//! What a watched series costs: bytes of state, time per point, and closing an hour of 100,000 series on one core.
//!
//! The series are made up and deterministic. Bytes are those of a snapshot (postcard); the state in memory is somewhat larger (pointers, empty blocks).
#![allow(clippy::print_stdout)] // printing is what it is for

use std::time::Instant;

use detection::spike::{Measure, SpikeDetector};

const SERIES: usize = 100_000;
const HOURS: u64 = 336;
const HOUR_S: i64 = 3_600;

/// A daily cycle with noise; only one hour in `every` has spend.
fn spend(series: u64, hour: u64, every: u64) -> f64 {
    let mixed = (series.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ hour).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB);
    if !(mixed >> 50).is_multiple_of(every) {
        return 0.0;
    }
    let noise = (mixed >> 11 & 0xFFFF) as f64 / 65_536.0;
    (1.0 + (hour % 24) as f64) * (0.5 + noise) * (1.0 + (series % 97) as f64)
}

fn watched(every: u64, hours: u64) -> SpikeDetector {
    let mut detector = SpikeDetector::new(HOUR_S as u32, Measure::Spend);
    (0..hours).for_each(|hour| {
        detector.observe(hour as i64 * HOUR_S, spend(1, hour, every));
    });
    detector
}

fn main() {
    for (name, every, hours) in [("dense, 14 days", 1, HOURS), ("dense, 2 years", 1, 17_520), ("sparse (1 hour in 20), 14 days", 20, HOURS)]
    {
        let bytes = postcard::to_allocvec(&watched(every, hours)).map_or(0, |bytes| bytes.len());
        println!("state, {name}: {bytes} bytes");
    }

    let mut detector = watched(1, HOURS);
    let points = 200_000;
    let started = Instant::now();
    let sum: f64 = (HOURS..HOURS + points).map(|hour| detector.observe(hour as i64 * HOUR_S, spend(1, hour, 1)).surprise).sum();
    println!("observe: {:.0} ns a point (mean surprise {:.2})", started.elapsed().as_nanos() as f64 / points as f64, sum / points as f64);

    let asked = 2_000;
    let started = Instant::now();
    let found = (0..asked).filter(|hour| detector.threshold(hour * HOUR_S).is_some()).count();
    println!("threshold: {:.1} us a question ({found} of {asked} found)", started.elapsed().as_micros() as f64 / asked as f64);

    let week = 168;
    let mut detectors: Vec<SpikeDetector> = Vec::with_capacity(SERIES);
    for series in 0..SERIES as u64 {
        let mut detector = SpikeDetector::new(HOUR_S as u32, Measure::Spend);
        (0..week).for_each(|hour| {
            detector.observe(hour as i64 * HOUR_S, spend(series, hour, 1 + series % 20));
        });
        detectors.push(detector);
    }
    let started = Instant::now();
    for (series, detector) in (0..).zip(&mut detectors) {
        detector.observe(week as i64 * HOUR_S, spend(series, week, 1 + series % 20));
    }
    println!("{SERIES} series closing an hour: {:.3} s on one core", started.elapsed().as_secs_f64());
}

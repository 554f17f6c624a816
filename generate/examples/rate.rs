//! Prints how many messages a second one core generates: `cargo run --release -p generate --example rate`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use generate::{Formats, Generator, Options, Shares};
use schemas::Timestamp;

fn main() -> Result<(), generate::GenerateError> {
    const EVENTS: u64 = 1_000_000;
    for (name, formats, shares) in [
        ("JSON, ordinary", Formats::JSON, Shares::ORDINARY),
        ("Avro, ordinary", Formats { avro_confluent: 1, ..Formats::default() }, Shares::ORDINARY),
        ("all formats, all troubles", Formats::ALL, Shares::TROUBLED),
    ] {
        let options = Options { formats, shares, ..Options::ending_at(Timestamp::from_millis(1_795_342_503_000), 1, EVENTS) };
        let generator = Generator::new(options)?;
        let started = Instant::now();
        let bytes: usize = generator.map(|m| m.payload.map_or(0, |p| p.len())).sum();
        let seconds = started.elapsed().as_secs_f64();
        println!("{name}: {:.0} messages/s, {} bytes each", EVENTS as f64 / seconds, bytes as u64 / EVENTS);
    }
    Ok(())
}

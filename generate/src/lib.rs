//! Realistic, seeded load for the input topic, and a ledger of what must come of it.
//!
//! Token sizes come from real traces (Azure, Mooncake), the daily and weekly shape from real services (ServeGen); see `data/`.
//! There is no Kafka here: the caller sends. Limits: what is expected of a message holds for topics with LogAppendTime, for
//! messages of one key arriving in order, and when they are sent between the last event's time and 12 hours after it.
//!
//! ```
//! use generate::{Expected, Generator, Options};
//! use schemas::Timestamp;
//!
//! let now = Timestamp::parse("2026-11-22T10:15:03Z")?;
//! let messages: Vec<_> = Generator::new(Options::ending_at(now, 7, 100))?.collect();
//! assert_eq!(messages.len(), 100);
//! assert!(messages.iter().all(|m| m.expected == Expected::Counted && m.intended_timestamp <= now));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arrival;
mod avro;
mod catalog;
mod clock;
mod draw;
mod error;
mod fact;
mod generator;
pub mod incident;
mod json;
mod ledger;
mod malformed;
mod message;
mod message_encoder;
mod options;
mod random;
pub mod replay;
mod spelling;
mod trace;
mod zipf;

pub use avro::EVENT_SCHEMA;
pub use error::GenerateError;
pub use fact::{EventId, Fact};
pub use generator::Generator;
pub use incident::Incident;
pub use ledger::Ledger;
pub use message::{Expected, Generated};
pub use options::{Formats, Options, Pace, Shares};

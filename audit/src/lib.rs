//! A plain, slow and independent recount of the input topic, compared with ClickHouse digit by digit.
//!
//! Nothing here is shared with the pipeline: decoding, validation, time, money and pricing are written a second time from
//! the contract, with other libraries (`serde_json`, `apache-avro`, `jiff`, `num-bigint`), so that a mistake in one of the
//! two shows as a difference. Speed and memory are secondary: every counted identity is held until the end.
//!
//! Limits: a whole partition is recounted from the first offset that the topic still holds. What that cannot know is said by
//! [`Expected::partial_until`] and left out of the comparison.
//!
//! ```
//! use audit::{Message, Range, Recount, Rules};
//!
//! let book = "[[price]]\nprovider = 'openai'\nmodel = 'gpt-4'\nper = 1000\ninput = '0.03'\noutput = '0.06'\nfrom = 2023-01-01T00:00:00Z\nsource = 'x'";
//! let rules = Rules::new(&[book], "UTC", audit::GroupingSet::defaults())?;
//! let mut recount = Recount::new(rules, &[], |_schema_id| Ok(None))?;
//! recount.take(&Message {
//!     partition: 0,
//!     offset: 0,
//!     timestamp_ms: 1_795_342_504_000,
//!     key: Some(b"1".to_vec()),
//!     payload: Some(br#"{"event_id":"1","source":"api","occurred_at":"2026-11-22T10:15:03Z","kind":"llm","provider":"openai",
//!         "model":"gpt-4","input_tokens":1000,"output_tokens":1000}"#.to_vec()),
//!     headers: vec![],
//! })?;
//! let expected = recount.finish();
//! assert_eq!(expected.total_cost().to_string(), "0.09");
//! // let report = audit::compare(&expected, "cost_rhythm", Range::default(), 20, |sql| clickhouse(sql))?;
//! # let _ = Range::default();
//! # Ok::<(), audit::AuditError>(())
//! ```

mod account;
mod avro;
mod cloudevent;
mod comparison;
mod decimal;
mod error;
mod event;
mod fields;
mod grouping;
mod instant;
mod json;
mod meaning;
mod measures;
mod message;
mod open_windows;
mod price_book;
mod pricing;
mod reason;
mod recount;
mod rules;
mod tokens;
mod value;
mod view;
mod window;

pub use account::Account;
pub use comparison::{Difference, Range, Report, compare};
pub use decimal::{Decimal, DecimalError};
pub use error::AuditError;
pub use event::{Event, Kind};
pub use grouping::GroupingSet;
pub use measures::Measures;
pub use message::{Message, Outcome};
pub use reason::{Reason, Rejection};
pub use recount::{Expected, Recount};
pub use rules::{Limits, Rules};
pub use view::View;
pub use window::Granularity;

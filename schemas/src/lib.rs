//! What is stored and sent: the event, partial-cell, rollup and alert contracts, and the value types they are made of.
//!
//! Nothing here does I/O. A value of one of these types has been checked; parse at the edge, trust inside.

pub mod accounts;
pub mod alert;
pub mod avro;
pub mod budget;
pub mod calendar;
pub mod cloud_event;
pub mod currency;
pub mod dimension;
pub mod event;
pub mod grouping;
pub mod huge_pages;
pub mod identity_run;
pub mod measures;
pub mod money;
pub mod notes;
mod packer;
pub mod partial;
pub mod prefetch;
pub mod price_book;
pub mod rates;
pub mod reason;
pub mod rollup;
pub mod secret;
pub mod text_head;
pub mod timestamp;
pub mod tokens;
pub mod window;

pub use accounts::{Accounts, Outcome};
pub use currency::Currency;
pub use dimension::Dimension;
pub use event::{Amount, Event, Kind};
pub use grouping::GroupingSet;
pub use measures::Measures;
pub use money::Money;
pub use reason::{Reason, Rejection};
pub use secret::Secret;
pub use timestamp::Timestamp;
pub use tokens::Tokens;
pub use window::Bucket;

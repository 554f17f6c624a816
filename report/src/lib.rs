//! What people read: the status of the spend, reports of a day, a week or a month, growth scenarios, bills
//! of providers against what was counted, and what a prompt would cost.
//!
//! Questions go to ClickHouse through a [`Reader`], which knows no client; answers become plain values, and values become text. Nothing
//! here has a clock: all times are the server's. Money is exact decimal text from the query to the page; only ratios are floating point.

mod amount;
mod currency;
pub mod estimate;
mod event;
pub mod incident;
mod markdown_text;
pub mod periodic;
mod reader;
pub mod reconcile;
pub mod scenario;
pub mod status;
mod terminal_text;

pub use amount::Amount;
pub use currency::SetView;
pub use reader::{ReadError, Reader, literal};

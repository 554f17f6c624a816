//! What people read: the status of the spend, and reports of a day, a week or a month.
//!
//! Questions go to ClickHouse through a [`Reader`], which knows no client; answers become plain values, and values become text. Nothing
//! here has a clock: all times are the server's. Money is exact decimal text from the query to the page; only ratios are floating point.

mod amount;
mod markdown_text;
pub mod periodic;
mod reader;
pub mod status;

pub use amount::Amount;
pub use reader::{ReadError, Reader, literal};

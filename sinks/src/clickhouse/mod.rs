//! Rows to ClickHouse, so that nothing is lost, nothing counts twice and nobody waits for the server.
//!
//! | file | what |
//! |---|---|
//! | `options` | what an operator can choose |
//! | `connector`, `client` | HTTP, TLS, statements, queries, inserts |
//! | `error`, `fault` | what goes wrong, whether trying again helps |
//! | `migrations`, `views` | tables, once and in order; views per granularity and grouping set |
//! | `rates`, `budgets` | exchange rates, the business time zone and what counts each budget, for readers |
//! | `block`, `rows` | rows as bytes, column by column |
//! | `queue`, `writer`, `sink`, `state` | from the drivers to the server, bounded, in order, for ever until taken |
//!
//! Limits: one node (no `ON CLUSTER`, no `Replicated...` engines: on ClickHouse Cloud and with a replicated database engine that is
//! the server's own matter); `DateTime` columns end in 2106, and a row beyond is refused by the encoder.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use schemas::GroupingSet;
//! use sinks::clickhouse::{ClickHouse, ClickHouseOptions, ClickHouseSink, SinkOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ClickHouse::new(ClickHouseOptions::default())?;
//! server.migrate(&GroupingSet::defaults()).await?;
//! let sink = ClickHouseSink::start(server.clone(), SinkOptions::default(), Arc::new(()), &tokio::runtime::Handle::current());
//! let _for_a_driver = sink.table_sink();
//! sink.shutdown(Duration::from_secs(10)).await?;
//! println!("{}", server.query_rows("SELECT sum(cost) FROM hourly_total", "TabSeparated").await?);
//! # Ok(())
//! # }
//! ```

mod block;
mod budgets;
mod client;
mod connector;
mod error;
mod fault;
mod migrations;
mod options;
mod queue;
mod rates;
pub mod rows;
mod sink;
mod state;
pub mod views;
mod writer;

pub use client::ClickHouse;
pub use error::ClickHouseError;
pub use fault::Fault;
pub use migrations::Migrated;
pub use options::{ClickHouseOptions, Compression, SinkOptions};
pub use sink::{ClickHouseHandle, ClickHouseSink, ClickHouseTableSink, LeftBehind};
pub use state::SinkState;
pub use writer::SinkObserver;

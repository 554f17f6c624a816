//! What stops an audit. What is wrong with a *message* is a [`crate::Rejection`] and stops nothing.

/// Why an audit cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Configuration: the price book or the rates.
    #[error("price book: {0}")]
    PriceBook(String),
    /// Configuration: the business time zone.
    #[error("time zone {name:?} is not in the tz database; expected a name such as Europe/Berlin")]
    TimeZone {
        /// As configured.
        name: String,
    },
    /// Configuration: a schema for Avro without a registry.
    #[error("event schema: {0}")]
    Schema(String),
    /// A system outside: the schema registry gave no answer. Retry.
    #[error("schema registry, id {id}: {cause}")]
    Registry {
        /// The schema's id.
        id: u32,
        /// What the lookup said.
        cause: String,
    },
    /// A bug of the caller: messages of one partition must come in the order of their offsets.
    #[error("partition {partition}: offset {found} came after {before}; expected ascending offsets")]
    Order {
        /// The partition.
        partition: i32,
        /// The offset that came too late.
        found: i64,
        /// The offset before it.
        before: i64,
    },
    /// A system outside: ClickHouse refused a query. Retry.
    #[error("query of {view}: {cause}")]
    Query {
        /// The view.
        view: String,
        /// What the query function said.
        cause: String,
    },
    /// ClickHouse answered something else than was asked for.
    #[error("{view}, line {line}: expected {expected}, found {found:?}")]
    Answer {
        /// The view.
        view: String,
        /// Its line, from 1.
        line: usize,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

//! Why no load can be generated.

/// See the variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// Configuration.
    #[error("{key} is {found}: expected {expected}")]
    Option {
        /// The option.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A bug: an embedded trace does not read.
    #[error("embedded trace: {0}")]
    Trace(String),
    /// The event's schema has a field that the generator cannot write.
    #[error("event schema: {0}")]
    Schema(String),
    /// The ledger cannot be written.
    #[error("ledger: {0}")]
    Ledger(#[from] std::io::Error),
}

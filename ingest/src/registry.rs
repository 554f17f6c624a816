//! The schema registry, by Confluent's API: schemas by id for decoding, subjects for `check` and `generate`.
//!
//! Lookups run on a thread of their own, so that decoding never blocks: an id seen for the first time is *waiting* until
//! the registry has answered. What it knows it knows for good (an id never changes); what it does not know is asked again
//! after a while. While it is silent, asked ids are asked again with growing pauses, and nothing is rejected.

mod cache;
mod client;
mod lookup;
mod options;

pub use client::{Compatibility, RegistryClient, RegistryError};
pub use lookup::{Lookup, RegistryState, SchemaRegistry};
pub use options::RegistryOptions;

//! The pure core: values in, values out. No I/O, no clock, no randomness, so that it can be simulated.

pub mod meter;
pub mod monitor;
mod paged_index;
mod prefetch;
pub mod pricing;
mod state_bytes;

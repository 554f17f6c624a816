//! The pure core: values in, values out. No I/O, no clock, no randomness, so that it can be simulated.

pub mod meter;
pub mod monitor;
pub mod pricing;

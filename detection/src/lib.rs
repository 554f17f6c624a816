//! What normal spend of a series is, and how far the newest hour is from it.
//!
//! The only crate in which floating point lives: it reads closed hours of spend and gives judgements, never amounts that anybody adds up. Pure and online:
//! constant memory and work per point and series, no look-ahead, no clock, no randomness; the same points give the same bits.

pub mod action;
pub mod forecast;
mod mean;
pub mod rhythm;
pub mod spike;

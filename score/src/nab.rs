//! The Numenta Anomaly Benchmark 1.1: its corpus, its scoring, what others reach on it.
//!
//! Source: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015, and the description in the benchmark's repository
//! (github.com/numenta/NAB, which is MIT from version 1.1 on). Written from the definition, not from its code.

mod corpus;
pub mod published;
mod scoring;

pub use corpus::{Corpus, Labelled};
pub use scoring::{Best, PROFILES, Profile, best, of_halves, of_left_out_groups};

//! Cost Rhythm: the command line, the configuration, and the wiring of the pipeline.

pub mod cli;
pub mod config;
pub mod service;
pub mod stages;

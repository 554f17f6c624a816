//! The Cost Rhythm command line.
fn main() {}

//! Avro: the writer's schema is compiled once to a plan, and the plan is run over the bytes.

mod plan;
mod run;
mod values;

pub use plan::WriterSchema;

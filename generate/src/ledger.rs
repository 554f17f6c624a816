//! Writes down what was sent and what must come of it: one JSON object a line.
//!
//! `{"number":0,"key":"..","expected":"counted","reason":null,"fact":{..}}`. A counted message's `fact` has the dimensions,
//! disjoint token counts, amounts as decimal text and the time in microseconds, so that any program can recount.

use std::io::Write;

use schemas::{Dimension, Money};

use crate::{Expected, Fact, GenerateError, Generated};

/// Writes lines.
#[derive(Debug)]
pub struct Ledger<W: Write> {
    out: W,
}

impl<W: Write> Ledger<W> {
    /// Into a writer; buffer it.
    pub fn new(out: W) -> Self {
        Ledger { out }
    }

    /// Appends a message.
    ///
    /// # Errors
    /// [`GenerateError::Ledger`]
    pub fn write(&mut self, message: &Generated) -> Result<(), GenerateError> {
        let key = message.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned());
        write!(self.out, "{{\"number\":{},\"key\":", message.number)?;
        text_or_null(&mut self.out, key.as_deref())?;
        write!(self.out, ",\"expected\":\"{}\",\"reason\":", message.expected.name())?;
        text_or_null(&mut self.out, message.expected.reason().map(schemas::Reason::code))?;
        if let Some(fact) = message.fact.as_ref().filter(|_| message.expected == Expected::Counted) {
            self.out.write_all(b",\"fact\":")?;
            write_fact(&mut self.out, fact)?;
        }
        Ok(self.out.write_all(b"}\n")?)
    }

    /// Flushes and hands the writer back.
    ///
    /// # Errors
    /// [`GenerateError::Ledger`]
    pub fn finish(mut self) -> Result<W, GenerateError> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// All texts of the ledger come from the catalogue and need no escapes.
fn text_or_null(out: &mut impl Write, text: Option<&str>) -> std::io::Result<()> {
    match text {
        Some(text) => write!(out, "\"{text}\""),
        None => out.write_all(b"null"),
    }
}

fn write_fact(out: &mut impl Write, fact: &Fact) -> std::io::Result<()> {
    let user = fact.user.map(|user| format!("u-{user}"));
    write!(
        out,
        "{{\"event_id\":\"{}\",\"source\":\"{}\",\"occurred_at_us\":{},\"kind\":\"{}\"",
        fact.id,
        fact.source,
        fact.occurred_at.micros(),
        fact.kind.name()
    )?;
    for dimension in Dimension::ALL {
        let value = match dimension {
            Dimension::Provider => fact.provider,
            Dimension::Model => fact.model,
            Dimension::Service => fact.service,
            Dimension::Feature => fact.feature,
            Dimension::Route => fact.route,
            Dimension::TaskType => fact.task_type,
            Dimension::Team => fact.team,
            Dimension::Project => fact.project,
            Dimension::Environment => fact.environment,
            Dimension::CostCenter => fact.cost_center,
            Dimension::UserId => user.as_deref().unwrap_or_default(),
            Dimension::Operation => fact.operation,
            Dimension::Owner => fact.owner,
            Dimension::Tier => {
                if fact.is_batch {
                    "batch"
                } else {
                    ""
                }
            }
        };
        write!(out, ",\"{}\":\"{value}\"", dimension.name())?;
    }
    let t = &fact.tokens;
    write!(
        out,
        ",\"uncached_input\":{},\"cache_read\":{},\"cache_write_5m\":{},\"cache_write_1h\":{},\"output\":{},\"reasoning\":{},\"usage_known\":{}",
        t.uncached_input,
        t.cache_read,
        t.cache_write_5m,
        t.cache_write_1h,
        t.output,
        t.reasoning,
        fact.is_usage_known()
    )?;
    let decimal = |money: Option<Money>| money.map(|money| money.to_string());
    for (name, value) in [
        ("amount", decimal(fact.amount.map(|(value, _)| value))),
        ("currency", fact.amount.map(|(_, currency)| currency.to_owned())),
        ("revenue", decimal(fact.revenue)),
        ("adjusts", fact.adjusts.map(|id| id.to_string())),
        ("status", Some(fact.status.to_owned())),
    ] {
        write!(out, ",\"{name}\":")?;
        text_or_null(out, value.as_deref())?;
    }
    match fact.latency_ms {
        Some(ms) => write!(out, ",\"latency_ms\":{ms}}}"),
        None => write!(out, ",\"latency_ms\":null}}"),
    }
}

//! An event that passed every check that needs no price book, in normalised form.

use crate::fields::{Fields, Pairs};
use crate::grouping::DIMENSIONS;
use crate::tokens::{Tokens, usage};
use crate::value::Members;
use crate::{Decimal, Rejection};

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call to a model.
    Llm,
    /// An amount.
    Cost,
    /// A correction.
    Adjustment,
}

/// Two spellings of the same event are equal here.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Who published it.
    pub source: String,
    /// Its id within `source`.
    pub event_id: String,
    /// Microseconds since 1970.
    pub occurred_at_us: i64,
    /// What it is.
    pub kind: Kind,
    /// The event that is corrected.
    pub adjusts: String,
    /// Values in the order of the names in `grouping.rs`; empty when not given.
    pub dimensions: Vec<String>,
    /// Disjoint counts.
    pub tokens: Tokens,
    /// Were any counts given?
    pub has_counts: bool,
    /// Were those given that a price needs?
    pub usage_known: bool,
    /// Value and currency.
    pub amount: Option<(Decimal, String)>,
    /// Value and currency.
    pub revenue: Option<(Decimal, String)>,
    /// Milliseconds.
    pub latency_ms: Option<u64>,
    /// Any text.
    pub status: String,
    /// Any text.
    pub error_type: String,
    /// Free tags.
    pub tags: Pairs,
    /// Everything else.
    pub attributes: Pairs,
}

impl Event {
    /// Checks the fields of one event, whatever format they came in.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn read(members: Members) -> Result<Self, Rejection> {
        let mut fields = Fields::new(members)?;
        let event_id = fields.required_text("event_id")?;
        let source = fields.required_text("source")?;
        let occurred_at_us = fields.instant("occurred_at")?;
        let kind = match fields.required_text("kind")?.as_str() {
            "llm" => Kind::Llm,
            "cost" => Kind::Cost,
            "adjustment" => Kind::Adjustment,
            other => return Err(Rejection::new("unknown_kind", other)),
        };
        let adjusts = fields.text("adjusts")?;
        let dimensions = DIMENSIONS.iter().map(|name| fields.dimension(name)).collect::<Result<Vec<_>, _>>()?;
        let value = |name: &str| DIMENSIONS.iter().position(|d| *d == name).map_or("", |at| dimensions[at].as_str());
        let (provider, model) = (value("provider"), value("model"));
        let usage = usage(&mut fields, provider, value("operation"), kind == Kind::Adjustment)?;
        let amount = fields.money("amount")?;
        let currency = fields.currency("currency", amount.is_some())?;
        let revenue = fields.money("revenue")?;
        let revenue_currency = fields.currency("revenue_currency", revenue.is_some())?;
        let required = |is_given: bool, name: &str| if is_given { Ok(()) } else { Err(Rejection::new("missing_field", name)) };
        let needs_model = match kind {
            Kind::Llm => true,
            Kind::Cost => {
                required(amount.is_some(), "amount")?;
                false
            }
            Kind::Adjustment => {
                required(!adjusts.is_empty(), "adjusts")?;
                if amount.is_some() == usage.any {
                    return Err(Rejection::new("inconsistent_adjustment", "expected either an amount or counts"));
                }
                usage.any
            }
        };
        if needs_model {
            required(!provider.is_empty(), "provider")?;
            required(!model.is_empty(), "model")?;
        }
        if amount.is_some() {
            required(!currency.is_empty(), "currency")?;
        }
        Ok(Event {
            occurred_at_us,
            kind,
            adjusts,
            tokens: usage.tokens,
            has_counts: usage.any,
            usage_known: usage.known,
            amount: amount.map(|value| (value, currency)),
            revenue: revenue.map(|value| (value, if revenue_currency.is_empty() { "USD".to_owned() } else { revenue_currency })),
            latency_ms: fields.latency("latency_ms")?,
            status: fields.text("status")?,
            error_type: fields.text("error_type")?,
            tags: fields.tags("tags")?,
            attributes: fields.rest()?,
            source,
            event_id,
            dimensions,
        })
    }

    /// The value of a dimension by its name.
    pub fn dimension(&self, name: &str) -> &str {
        DIMENSIONS.iter().position(|d| *d == name).map_or("", |at| self.dimensions[at].as_str())
    }

    /// A call whose status is neither missing nor ok.
    pub fn is_error(&self) -> bool {
        self.kind == Kind::Llm && !["", "ok"].contains(&self.status.as_str())
    }
}

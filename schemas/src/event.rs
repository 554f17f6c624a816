//! A usage event after decoding, validation and normalisation: nothing in it can be impossible any more.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::packer::Packer;
use crate::{Currency, Dimension, Money, Timestamp, Tokens};

/// Longest dimension value, in bytes; longer ones are cut at a character.
pub const MAX_DIMENSION_BYTES: usize = 1024;

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call to a model: tokens, priced by us.
    Llm,
    /// An amount that is already a price: a cloud bill line.
    Cost,
    /// A correction of an earlier event: signed counts or a signed amount.
    Adjustment,
}

impl Kind {
    /// By its name in an event.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "llm" => Some(Kind::Llm),
            "cost" => Some(Kind::Cost),
            "adjustment" => Some(Kind::Adjustment),
            _ => None,
        }
    }

    /// Its name in an event.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Llm => "llm",
            Kind::Cost => "cost",
            Kind::Adjustment => "adjustment",
        }
    }
}

/// Money in some currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Amount {
    /// In units of the currency.
    pub value: Money,
    /// Of which currency.
    pub currency: Currency,
}

/// One event. Text is borrowed from the message or the decoder's arena; empty text means "not given".
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Who published it. Not empty.
    pub source: &'a str,
    /// Its id within `source`. Not empty.
    pub event_id: &'a str,
    /// Event time.
    pub occurred_at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// For adjustments: the id of the event that is corrected. Else empty.
    pub adjusts: &'a str,
    /// Values by [`Dimension`] index, each at most [`MAX_DIMENSION_BYTES`].
    pub dimensions: [&'a str; Dimension::COUNT],
    /// Disjoint counts; what was not given is 0.
    pub tokens: Tokens,
    /// Were all counts given that a price needs (input, and output unless it is an embedding)?
    pub usage_known: bool,
    /// The cost as the producer knows it.
    pub amount: Option<Amount>,
    /// What the call earned.
    pub revenue: Option<Amount>,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// ok, error, timeout, aborted or any other text.
    pub status: &'a str,
    /// The kind of error.
    pub error_type: &'a str,
    /// Free tags, sorted by key, keys unique, none empty.
    pub tags: &'a [(&'a str, &'a str)],
    /// Everything else, sorted by key, keys unique, none empty; a value that is no text is its canonical JSON.
    pub attributes: &'a [(&'a str, &'a str)],
}

impl<'a> Event<'a> {
    /// The value of a dimension; empty when not given.
    pub fn dimension(&self, dimension: Dimension) -> &'a str {
        self.dimensions[dimension as usize]
    }

    /// Is it a call that failed?
    pub fn is_error(&self) -> bool {
        self.kind == Kind::Llm && !self.status.is_empty() && self.status != "ok"
    }

    /// 128-bit fingerprint of the identity (`source`, `event_id`): XXH3, stable across versions and machines.
    pub fn fingerprint(&self, scratch: &mut Vec<u8>) -> u128 {
        let mut packed = Packer::over(scratch);
        packed.text(self.source);
        packed.bytes(self.event_id.as_bytes());
        xxh3_128(packed.packed())
    }

    /// 64-bit hash of the meaning: everything but the identity, as normalised. Two spellings or formats of the same
    /// event have the same one. Stable across versions and machines (it is part of snapshots).
    pub fn meaning(&self, scratch: &mut Vec<u8>) -> u64 {
        let mut packed = Packer::over(scratch);
        packed.byte(self.kind as u8);
        packed.array(self.occurred_at.micros().to_le_bytes());
        packed.text(self.adjusts);
        for dimension in Dimension::ALL {
            let value = self.dimension(dimension);
            // Left out, the tier is the standard one.
            packed.text(if dimension == Dimension::Tier && value == "standard" { "" } else { value });
        }
        let t = &self.tokens;
        for count in [t.uncached_input, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.output, t.reasoning] {
            packed.number(count.cast_unsigned());
        }
        packed.byte(u8::from(self.usage_known));
        put_amount(&mut packed, self.amount);
        put_amount(&mut packed, self.revenue);
        packed.number(self.latency_ms.map_or(0, |ms| ms + 1));
        packed.text(self.status);
        packed.text(self.error_type);
        for pairs in [self.tags, self.attributes] {
            packed.number(pairs.len() as u64);
            for (key, value) in pairs {
                packed.text(key);
                packed.text(value);
            }
        }
        xxh3_64(packed.packed())
    }
}

fn put_amount(packed: &mut Packer<'_>, amount: Option<Amount>) {
    match amount {
        None => packed.byte(0),
        Some(amount) => {
            packed.byte(1);
            packed.array(amount.value.units().to_le_bytes());
            packed.bytes(amount.currency.as_str().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event<'static> {
        Event {
            source: "api",
            event_id: "1",
            occurred_at: Timestamp::from_millis(1_795_342_503_123),
            kind: Kind::Llm,
            adjusts: "",
            dimensions: [""; Dimension::COUNT],
            tokens: Tokens { uncached_input: 300, ..Tokens::default() },
            usage_known: true,
            amount: None,
            revenue: None,
            latency_ms: None,
            status: "",
            error_type: "",
            tags: &[],
            attributes: &[],
        }
    }

    #[test]
    fn identity_does_not_run_together() {
        let mut scratch = Vec::new();
        let (one, other) = (Event { source: "ab", event_id: "c", ..event() }, Event { source: "a", event_id: "bc", ..event() });
        assert_ne!(one.fingerprint(&mut scratch), other.fingerprint(&mut scratch));
    }

    #[test]
    fn hashes_are_stable_because_they_are_stored() {
        let mut scratch = Vec::new();
        assert_eq!(
            format!("{:032x} {:016x}", event().fingerprint(&mut scratch), event().meaning(&mut scratch)),
            include_str!("../golden/event_hashes_v1.txt").trim()
        );
    }

    #[test]
    fn every_field_is_part_of_the_meaning() {
        let mut scratch = Vec::new();
        let base = event();
        let amount = Some(Amount { value: Money::from_units(1), currency: Currency::USD });
        let mut others = vec![
            Event { occurred_at: base.occurred_at.plus(1), ..base.clone() },
            Event { kind: Kind::Cost, ..base.clone() },
            Event { adjusts: "x", ..base.clone() },
            Event { usage_known: false, ..base.clone() },
            Event { amount, ..base.clone() },
            Event { revenue: amount, ..base.clone() },
            Event { latency_ms: Some(0), ..base.clone() },
            Event { status: "ok", ..base.clone() },
            Event { error_type: "x", ..base.clone() },
            Event { tags: &[("a", "b")], ..base.clone() },
            Event { attributes: &[("a", "b")], ..base.clone() },
            Event { tokens: Tokens { cache_read: 1, ..base.tokens }, ..base.clone() },
        ];
        for dimension in Dimension::ALL {
            let mut other = base.clone();
            other.dimensions[dimension as usize] = "x";
            others.push(other);
        }
        for other in others {
            assert_ne!(other.meaning(&mut scratch), base.meaning(&mut scratch), "{other:?}");
        }
        let mut standard = base.clone();
        standard.dimensions[Dimension::Tier as usize] = "standard";
        assert_eq!(standard.meaning(&mut scratch), base.meaning(&mut scratch));
    }
}

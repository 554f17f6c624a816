//! An event as its format gave it: typed field by field, not yet checked as a whole.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use schemas::{Money, Timestamp};

use super::field::{CountField, MoneyField, TextField};

/// A name and its text.
pub(super) type Pair<'a> = (&'a str, &'a str);

/// What a format fills in; empty text and `None` are "not given".
pub(super) struct Draft<'a> {
    /// By [`TextField`].
    pub(super) texts: [&'a str; TextField::NUMBER],
    /// Event time.
    pub(super) occurred_at: Option<Timestamp>,
    /// By [`CountField`]; each within ±10^12.
    pub(super) counts: [Option<i64>; CountField::NUMBER],
    /// `amount`
    pub(super) amount: Option<Money>,
    /// `revenue`
    pub(super) revenue: Option<Money>,
    /// `latency_ms`, at most 10^12.
    pub(super) latency_ms: Option<u64>,
    /// `tags`, in the order of the payload.
    pub(super) tags: ArenaVec<'a, Pair<'a>>,
    /// `attributes`, in the order of the payload.
    pub(super) attributes: ArenaVec<'a, Pair<'a>>,
    /// Fields that no event has, in the order of the payload.
    pub(super) unknown: ArenaVec<'a, Pair<'a>>,
}

impl<'a> Draft<'a> {
    /// With nothing given.
    pub(super) fn new(arena: &'a Bump) -> Self {
        Draft {
            texts: [""; TextField::NUMBER],
            occurred_at: None,
            counts: [None; CountField::NUMBER],
            amount: None,
            revenue: None,
            latency_ms: None,
            tags: ArenaVec::new_in(arena),
            attributes: ArenaVec::new_in(arena),
            unknown: ArenaVec::new_in(arena),
        }
    }

    pub(super) fn text(&self, field: TextField) -> &'a str {
        self.texts[field.index()]
    }

    pub(super) fn set_text(&mut self, field: TextField, text: &'a str) {
        self.texts[field.index()] = text;
    }

    pub(super) fn count(&self, field: CountField) -> Option<i64> {
        self.counts[field as usize]
    }

    pub(super) fn set_money(&mut self, field: MoneyField, value: Option<Money>) {
        match field {
            MoneyField::Amount => self.amount = value,
            MoneyField::Revenue => self.revenue = value,
        }
    }
}

//! What an event costs by the present book, and the event that corrects it.

use processor::pricing::{CostStatus, Pricer, VersionRef};
use report::Amount;
use schemas::event::{Amount as EventAmount, Kind};
use schemas::{Dimension, Event, Money, Timestamp, Tokens};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::rows::{Corrected, DIMENSIONS, EventRow, PREFIX};

/// What comes of looking at an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// It costs the same.
    Same,
    /// It costs something else.
    Other(Box<Correction>),
    /// It is left as it is, and why.
    Left(&'static str),
}

/// A correction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Correction {
    /// Of the correcting event.
    pub event_id: String,
    /// With former corrections.
    pub before: Amount,
    /// By the present book.
    pub after: Amount,
    /// `after - before`
    pub difference: Amount,
    /// Version that is in force now.
    pub price_version: String,
}

/// Looks at an event.
pub(super) fn look(row: &EventRow, corrected: Corrected, pricer: &Pricer) -> Looked {
    if corrected.others > 0 {
        return Looked::Left("its producer has corrected it: look at it by hand");
    }
    let [uncached_input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = row.tokens;
    let tokens = Tokens { uncached_input, cache_read, cache_write_5m, cache_write_1h, output, reasoning };
    let was_unpriced = row.cost_status == CostStatus::Unpriced.name();
    // A row does not say whether counts were missing: one that was not priced counts only if none can have been.
    let has_input = uncached_input + cache_read + cache_write_5m + cache_write_1h > 0;
    let has_output = output + reasoning > 0 || row.dimension("operation").contains("embedding");
    if was_unpriced && !(has_input && has_output) && row.amount.is_none() {
        return Looked::Left("it was not priced, and its counts may be incomplete");
    }
    let mut dimensions = [""; Dimension::COUNT];
    for dimension in Dimension::ALL {
        dimensions[dimension as usize] = row.dimension(dimension.name());
    }
    let amount = row.amount.and_then(|amount| Some(EventAmount { value: amount.0, currency: row.currency.parse().ok()? }));
    let event = Event {
        source: &row.source,
        event_id: &row.event_id,
        occurred_at: Timestamp::from_micros(row.occurred_us),
        kind: Kind::Llm,
        adjusts: "",
        dimensions,
        tokens,
        usage_known: !was_unpriced || (has_input && has_output),
        amount,
        revenue: None,
        latency_ms: None,
        status: "",
        error_type: "",
        tags: &[],
        attributes: &[],
    };
    let slot = pricer.resolve(row.dimension("provider"), row.dimension("model"), row.dimension("tier"));
    let Ok(priced) = pricer.price(slot, &event) else { return Looked::Left("it would cost more than an event may") };
    match priced.status {
        CostStatus::Unpriced if was_unpriced => return Looked::Same,
        CostStatus::Unpriced => return Looked::Left("the book has no price for it any more"),
        _ => {}
    }
    let (before, after) = (row.cost.plus(corrected.cost), Amount(priced.priced.cost));
    if before == after {
        return Looked::Same;
    }
    let price_version = priced.price_version.map_or_else(String::new, |version: VersionRef| pricer.version_text(version));
    Looked::Other(Box::new(Correction {
        event_id: id_of(row, corrected.times + 1),
        before,
        after,
        difference: after.less(before),
        price_version,
    }))
}

/// The same for the same correction of the same event: sent twice, it counts once.
fn id_of(row: &EventRow, number: u64) -> String {
    let mut bytes = (row.source.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(row.source.as_bytes());
    bytes.extend_from_slice(row.event_id.as_bytes());
    format!("{PREFIX}{:032x}-{number}", xxh3_128(&bytes))
}

/// The correcting event: the time and all dimensions of the corrected one, so that it lands where that one did.
pub(super) fn event_json(row: &EventRow, correction: &Correction, book_hash: u128) -> Value {
    let mut event = json!({
        "event_id": correction.event_id,
        "source": row.source,
        "occurred_at": Timestamp::from_micros(row.occurred_us).to_string(),
        "kind": "adjustment",
        "adjusts": row.event_id,
        "amount": correction.difference.to_string(),
        "currency": "USD",
        "tags": row.tags,
        "attributes": {
            "reprice_book": format!("{book_hash:032x}"),
            "reprice_from_version": row.price_version,
            "reprice_to_version": correction.price_version,
        },
    });
    if let Some(fields) = event.as_object_mut() {
        let given = DIMENSIONS.iter().zip(&row.dimensions).filter(|(_, value)| !value.is_empty());
        fields.extend(given.map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))));
    }
    event
}

/// Of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ScopeSum {
    pub events: u64,
    pub before: Amount,
    pub after: Amount,
}

impl ScopeSum {
    pub(super) fn add(&mut self, correction: &Correction) {
        self.events += 1;
        self.before = self.before.plus(correction.before);
        self.after = self.after.plus(correction.after);
    }

    pub(super) fn difference(&self) -> Money {
        self.after.less(self.before).0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use processor::pricing::Prefer;
    use schemas::price_book::PriceBook;
    use schemas::rates::Rates;

    use super::*;

    fn pricer(input: &str) -> Pricer {
        let text = format!(
            "[[price]]\nprovider = \"p\"\nmodel = \"m\"\nper = 1_000_000\ninput = \"{input}\"\noutput = \"5\"\nfrom = 2026-01-01T00:00:00Z\nsource = \"s\"\n"
        );
        Pricer::new(Arc::new(PriceBook::parse_all(&[("b", &text)]).unwrap()), Arc::new(Rates::default()), Prefer::Book)
    }

    fn row(cost: &str, status: &str) -> EventRow {
        let mut dimensions: [String; 14] = Default::default();
        dimensions[0] = "p".to_owned();
        dimensions[1] = "m".to_owned();
        EventRow {
            topic: "t".to_owned(),
            partition: 0,
            offset: 1,
            event_id: "e".to_owned(),
            source: "s".to_owned(),
            occurred_us: 1_795_305_600_000_000,
            dimensions,
            tokens: [1_000_000, 0, 0, 0, 100_000, 0],
            amount: None,
            currency: String::new(),
            cost: amount(cost),
            cost_status: status.to_owned(),
            price_version: "old".to_owned(),
            tags: Default::default(),
        }
    }

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    fn ours(times: u64, cost: &str) -> Corrected {
        Corrected { times, cost: amount(cost), others: 0 }
    }

    fn difference(looked: Looked) -> (String, String) {
        match looked {
            Looked::Other(correction) => (correction.difference.to_string(), correction.event_id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_price_that_has_changed_makes_a_difference_and_the_next_change_starts_from_it() {
        assert_eq!(look(&row("1.5", "priced"), ours(0, "0"), &pricer("1")), Looked::Same);
        let (first, id) = difference(look(&row("1.5", "priced"), ours(0, "0"), &pricer("2")));
        assert_eq!(first, "1");
        assert_eq!(look(&row("1.5", "priced"), ours(1, "1"), &pricer("2")), Looked::Same, "it has arrived");
        let (back, other) = difference(look(&row("1.5", "priced"), ours(1, "1"), &pricer("1")));
        assert_eq!(back, "-1");
        // There and back again: another id each time, or the second would be a repeat.
        let (again, third) = difference(look(&row("1.5", "priced"), ours(2, "0"), &pricer("2")));
        assert_eq!(again, "1");
        assert!(id != other && other != third && id != third, "{id} {other} {third}");
        assert_eq!(id, difference(look(&row("1.5", "priced"), ours(0, "0"), &pricer("2"))).1, "the same as long as it has not arrived");
    }

    #[test]
    fn what_is_not_certain_is_left_as_it_is() {
        let gone = Pricer::new(Arc::default(), Arc::default(), Prefer::Book);
        assert!(matches!(look(&row("1.5", "priced"), ours(0, "0"), &gone), Looked::Left(_)));
        assert_eq!(look(&row("0", "unpriced"), ours(0, "0"), &gone), Looked::Same);
        assert_eq!(difference(look(&row("0", "unpriced"), ours(0, "0"), &pricer("1"))).0, "1.5");
        let mut incomplete = row("0", "unpriced");
        incomplete.tokens[4] = 0;
        assert!(matches!(look(&incomplete, ours(0, "0"), &pricer("1")), Looked::Left(_)));
        let voided = Corrected { others: 1, ..Corrected::default() };
        assert!(matches!(look(&row("1.5", "priced"), voided, &pricer("2")), Looked::Left(_)));
    }

    #[test]
    fn the_correcting_event_has_the_time_and_the_dimensions_of_the_corrected_one() {
        let row = row("1.5", "priced");
        let Looked::Other(correction) = look(&row, ours(0, "0"), &pricer("2")) else { panic!("no correction") };
        let event = event_json(&row, &correction, 7);
        for (field, value) in [
            ("kind", "adjustment"),
            ("adjusts", "e"),
            ("source", "s"),
            ("amount", "1"),
            ("currency", "USD"),
            ("provider", "p"),
            ("model", "m"),
        ] {
            assert_eq!(event[field], value, "{field}");
        }
        assert_eq!(event["occurred_at"], "2026-11-22T00:00:00.000000Z");
        assert!(event.get("team").is_none());
    }
}

//! Billed and counted side by side, exactly.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use schemas::Money;
use serde::Serialize;

use crate::Amount;

/// Both sides of a name, on a day or over all days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Of the provider (service), as compared.
    pub name: String,
    /// UTC; `None`: all days.
    pub day: Option<Date>,
    /// By the bill.
    pub billed: Amount,
    /// By us.
    pub counted: Amount,
    /// `counted - billed`
    pub difference: Amount,
    /// `100 x difference / billed`, rounded half to even to 18 decimals; `None` where nothing was billed.
    pub drift_percent: Option<Amount>,
    /// `100 x counted / billed`, likewise.
    pub coverage_percent: Option<Amount>,
    /// Counted events whose cost is not known, and 0 here.
    pub unpriced_events: u64,
    /// Is the difference at most the tolerance of what was billed?
    pub is_within: bool,
}

/// A side's sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) cost: Amount,
    pub(super) unpriced_events: u64,
}

/// By name and day.
pub(super) type Side<T> = BTreeMap<(String, Date), T>;

/// Share of what is billed that a difference may be, in percent: 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance(Money);

impl Tolerance {
    /// `1%`, `0.5%`.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|number| Money::parse(number.trim_end()).ok());
        match percent {
            Some(percent) if !percent.is_negative() && percent <= Money::from_whole(100) => Ok(Tolerance(percent)),
            _ => Err("expected a percentage from 0% to 100%, such as 1% or 0.05%".to_owned()),
        }
    }

    /// In percent.
    pub fn percent(self) -> Amount {
        Amount(self.0)
    }

    /// Whole units on both sides, so that rounding the product down changes nothing.
    fn holds(self, billed: Amount, difference: Amount) -> bool {
        let most = magnitude(billed).share(self.0.units(), Money::from_whole(100).units());
        magnitude(difference) <= most
    }
}

fn magnitude(amount: Amount) -> Amount {
    if amount.0.is_negative() { Amount::default().less(amount) } else { amount }
}

impl Line {
    fn new(name: &str, day: Option<Date>, billed: Amount, counted: Counted, tolerance: Tolerance) -> Self {
        let difference = counted.cost.less(billed);
        Line {
            name: name.to_owned(),
            day,
            billed,
            counted: counted.cost,
            difference,
            drift_percent: percent(difference, billed),
            coverage_percent: percent(counted.cost, billed),
            unpriced_events: counted.unpriced_events,
            is_within: tolerance.holds(billed, difference),
        }
    }
}

/// `100 x part / whole`
fn percent(part: Amount, whole: Amount) -> Option<Amount> {
    let ratio = Amount(part.times(100)?.0.checked_div(magnitude(whole).0)?);
    Some(if whole.0.is_negative() { Amount::default().less(ratio) } else { ratio })
}

/// Lines of every name that is billed, by day and over all days.
pub(super) fn compare(billed: &Side<Amount>, counted: &Side<Counted>, tolerance: Tolerance) -> (Vec<Line>, Vec<Line>) {
    let names: BTreeSet<&str> = billed.keys().map(|(name, _)| name.as_str()).collect();
    let keys: BTreeSet<&(String, Date)> = billed.keys().chain(counted.keys().filter(|(name, _)| names.contains(name.as_str()))).collect();
    let mut totals: BTreeMap<&str, (Amount, Counted)> = BTreeMap::new();
    let mut days = Vec::with_capacity(keys.len());
    for key in keys {
        let (bill, ours) = (billed.get(key).copied().unwrap_or_default(), counted.get(key).copied().unwrap_or_default());
        let (all_billed, all_ours) = totals.entry(&key.0).or_default();
        *all_billed = all_billed.plus(bill);
        *all_ours = all_ours.plus(ours);
        days.push(Line::new(&key.0, Some(key.1), bill, ours, tolerance));
    }
    let totals = totals.into_iter().map(|(name, (bill, ours))| Line::new(name, None, bill, ours, tolerance));
    (days, totals.collect())
}

impl Counted {
    pub(super) fn plus(self, other: Counted) -> Counted {
        Counted { cost: self.cost.plus(other.cost), unpriced_events: self.unpriced_events.saturating_add(other.unpriced_events) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    fn line(billed: &str, counted: &str, tolerance: &str) -> Line {
        let counted = Counted { cost: amount(counted), unpriced_events: 0 };
        Line::new("aws", None, amount(billed), counted, Tolerance::parse(tolerance).unwrap())
    }

    #[test]
    fn a_difference_is_judged_to_the_last_digit() {
        for (billed, counted, tolerance, is_within) in [
            ("100", "100", "0%", true),
            ("100", "99.999999999999999999", "0%", false),
            ("100", "99", "1%", true),
            ("100", "98.999999999999999999", "1%", false),
            ("100", "101", "1%", true),
            ("100", "101.000000000000000001", "1%", false),
            ("-100", "-101", "1%", true),
            ("-100", "-101.000000000000000001", "1%", false),
            ("0", "0", "0%", true),
            ("0", "0.000000000000000001", "100%", false),
            ("0.000000000000000001", "0", "99%", false),
            ("0.000000000000000001", "0", "100%", true),
            ("99999999999999999999", "99999999999999999998", "1%", true),
        ] {
            assert_eq!(line(billed, counted, tolerance).is_within, is_within, "{billed} {counted} {tolerance}");
        }
    }

    #[test]
    fn drift_and_coverage_have_all_their_digits() {
        let short = line("3", "2", "1%");
        assert_eq!(short.drift_percent, Some(amount("-33.333333333333333333")));
        assert_eq!(short.coverage_percent, Some(amount("66.666666666666666667")));
        let refund = line("-10", "-11", "1%");
        assert_eq!((refund.drift_percent, refund.coverage_percent), (Some(amount("10")), Some(amount("110"))));
        assert_eq!((line("0", "1", "1%").drift_percent, line("0", "1", "1%").coverage_percent), (None, None));
    }

    #[test]
    fn tolerances_are_percentages() {
        for text in ["1", "", "%", "-1%", "101%", "1,5%", "1e1%"] {
            assert!(Tolerance::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Tolerance::parse("0.05 %").unwrap().percent(), amount("0.05"));
    }

    #[test]
    fn a_name_that_is_billed_has_all_days_of_both_sides() {
        let day = |day| jiff::civil::date(2026, 11, day);
        let billed = Side::from([(("aws".to_owned(), day(1)), amount("5")), (("azure".to_owned(), day(1)), amount("1"))]);
        let ours = |text| Counted { cost: amount(text), unpriced_events: 1 };
        let counted = Side::from([
            (("aws".to_owned(), day(1)), ours("4")),
            (("aws".to_owned(), day(2)), ours("1")),
            (("openai".to_owned(), day(1)), ours("9")),
        ]);
        let (days, totals) = compare(&billed, &counted, Tolerance::parse("0%").unwrap());
        let of = |lines: &[Line]| lines.iter().map(|line| format!("{} {:?} {}", line.name, line.day, line.difference)).collect::<Vec<_>>();
        assert_eq!(of(&days), ["aws Some(2026-11-01) -1", "aws Some(2026-11-02) 1", "azure Some(2026-11-01) -1"]);
        assert_eq!(of(&totals), ["aws None 0", "azure None -1"]);
        assert_eq!((totals[0].is_within, totals[0].unpriced_events), (true, 2));
    }
}

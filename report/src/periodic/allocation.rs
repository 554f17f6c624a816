//! Who pays: spend by team and environment, and what names none divided by configured shares.

use std::collections::BTreeMap;

use schemas::Money;
use serde::Serialize;

use super::Line;
use crate::Amount;

/// Parts of spend that names no value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// `team` or `environment`, or a tag's name.
    pub dimension: String,
    /// Value and weight; more than zero.
    pub weights: Vec<(String, Money)>,
}

/// Spend of one dimension, each amount with what was added to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allocation {
    /// `team`, `environment` or `tag NAME`.
    pub by: String,
    /// By value, dearest first.
    pub lines: Vec<AllocationLine>,
    /// What names no value and is divided by no share.
    pub unallocated: Amount,
}

/// What one value pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AllocationLine {
    /// The value.
    pub name: String,
    /// What names it.
    pub direct: Amount,
    /// Its part of what names none.
    pub shared: Amount,
    /// Both.
    pub total: Amount,
}

/// Allocates lines of one dimension; the line without a name is divided. The parts add up to it exactly.
pub(super) fn allocate(by: String, lines: &[Line], share: Option<&Share>) -> Allocation {
    let nameless = lines.iter().find(|line| line.name.is_empty()).map_or_else(Amount::default, |line| line.cost);
    let parts: BTreeMap<&str, Amount> = share.map(|share| divide(nameless, &share.weights)).unwrap_or_default();
    let unallocated = if parts.is_empty() { nameless } else { Amount::default() };
    let mut direct: BTreeMap<&str, Amount> =
        lines.iter().filter(|line| !line.name.is_empty()).map(|line| (line.name.as_str(), line.cost)).collect();
    for name in parts.keys() {
        direct.entry(name).or_default();
    }
    let mut lines: Vec<AllocationLine> = direct
        .into_iter()
        .map(|(name, direct)| {
            let shared = parts.get(name).copied().unwrap_or_default();
            AllocationLine { name: name.to_owned(), direct, shared, total: direct.plus(shared) }
        })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.total));
    Allocation { by, lines, unallocated }
}

/// In whole units of 10^-18, rounded down; what is left goes to the largest weight, the first of equals.
fn divide(amount: Amount, weights: &[(String, Money)]) -> BTreeMap<&str, Amount> {
    let all: i128 = weights.iter().map(|(_, weight)| weight.units()).sum();
    let Some((largest, _)) = weights.iter().rev().max_by_key(|(_, weight)| weight.units()) else { return BTreeMap::new() };
    if all <= 0 || amount == Amount::default() {
        return BTreeMap::new();
    }
    let mut left = amount;
    let mut parts = BTreeMap::new();
    for (name, weight) in weights {
        let part = amount.share(weight.units(), all);
        left = left.less(part);
        parts.insert(name.as_str(), part);
    }
    if let Some(part) = parts.get_mut(largest.as_str()) {
        *part = part.plus(left);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    fn line(name: &str, cost: &str) -> Line {
        Line { name: name.to_owned(), cost: amount(cost), ..Line::default() }
    }

    fn share(weights: &[(&str, &str)]) -> Share {
        let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), weight.parse().unwrap())).collect();
        Share { dimension: "team".to_owned(), weights }
    }

    fn totals(allocation: &Allocation) -> Vec<(&str, String)> {
        allocation.lines.iter().map(|line| (line.name.as_str(), line.total.to_string())).collect()
    }

    #[test]
    fn parts_add_up_to_the_last_digit() {
        let lines = [line("a", "5"), line("", "10"), line("c", "1")];
        let thirds = share(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let allocation = allocate("team".to_owned(), &lines, Some(&thirds));
        assert_eq!(
            totals(&allocation),
            [("a", "8.333333333333333334".to_owned()), ("c", "4.333333333333333333".to_owned()), ("b", "3.333333333333333333".to_owned())]
        );
        let sum = allocation.lines.iter().fold(Amount::default(), |sum, line| sum.plus(line.total));
        assert_eq!((sum, allocation.unallocated), (amount("16"), Amount::default()));
    }

    #[test]
    fn without_shares_what_names_nobody_is_said() {
        let allocation = allocate("team".to_owned(), &[line("a", "5"), line("", "10")], None);
        assert_eq!((totals(&allocation), allocation.unallocated), (vec![("a", "5".to_owned())], amount("10")));
    }

    #[test]
    fn large_amounts_and_credits_are_divided_too() {
        let halves = share(&[("a", "0.3"), ("b", "0.7")]);
        let allocation = allocate("team".to_owned(), &[line("", "100000000000.000000000000000001")], Some(&halves));
        assert_eq!(totals(&allocation), [("b", "70000000000.000000000000000001".to_owned()), ("a", "30000000000".to_owned())]);
        let credit = allocate("team".to_owned(), &[line("", "-10")], Some(&halves));
        assert_eq!(totals(&credit), [("a", "-3".to_owned()), ("b", "-7".to_owned())]);
    }
}

//! The sentences of budget alerts.

use schemas::Money;
use schemas::alert::{AlertState, Level};
use schemas::budget::{Budget, Threshold};

/// What happened when a threshold was reached.
pub(super) fn crossed(
    budget: &Budget,
    threshold: &Threshold,
    scope: &str,
    period: &str,
    spent: Money,
    projection: Option<Money>,
) -> String {
    let who = who(budget, scope);
    let (limit, currency, spent_text) = (budget.limit, budget.currency, shown(spent));
    let mut text = format!(
        "{who} has spent {spent_text} {currency} of its {limit} {currency} for {period}: {} % of the limit. This reached the threshold of {} % ({} {currency}).",
        percent(spent.checked_div(limit)),
        percent(Some(threshold.share)),
        threshold.amount,
    );
    match projection {
        Some(projected) => text.push_str(&format!(" If it goes on like this, the period ends at {} {currency}.", cents(projected))),
        None => text.push_str(" It is too early in the period to say where it will end."),
    }
    text
}

/// A threshold that was reached is not reached any more.
pub(super) fn left(budget: &Budget, threshold: &Threshold, scope: &str, period: &str, spent: Money) -> String {
    let (who, limit, currency, spent_text) = (who(budget, scope), budget.limit, budget.currency, shown(spent));
    format!(
        "After corrections {who} has spent {spent_text} {currency} of its {limit} {currency} for {period}: {} % of the limit. That is below the threshold of {} % ({} {currency}) again.",
        percent(spent.checked_div(limit)),
        percent(Some(threshold.share)),
        threshold.amount,
    )
}

/// A threshold of a budget of the last hours was reached or left.
pub(super) fn rolling(budget: &Budget, threshold: &Threshold, scope: &str, hours: u32, spent: Money, state: AlertState) -> String {
    let (who, limit, currency, spent_text) = (who(budget, scope), budget.limit, budget.currency, shown(spent));
    format!(
        "{who} has spent {spent_text} {currency} within {hours} hours: {} % of the limit of {limit} {currency}. That {} the threshold of {} % ({} {currency}).",
        percent(spent.checked_div(limit)),
        if state == AlertState::Resolved { "has been below it, and for three hours below" } else { "reached" },
        percent(Some(threshold.share)),
        threshold.amount,
    )
}

/// What to do about it.
pub(super) const fn recommendation(level: Level) -> &'static str {
    match level {
        Level::Info => "Nothing has to be done.",
        Level::Warning => "See what the money goes to, and decide whether the rest of the period needs less of it or a higher limit.",
        Level::Critical => "Find the largest contributors and reduce them now, or raise the limit on purpose.",
        Level::Emergency => "Stop or throttle the largest contributors now: the limit is reached.",
    }
}

/// The period is over.
pub(super) fn period_over(budget: &Budget, scope: &str, period: &str, spent: Money) -> String {
    let (who, limit, currency, spent_text) = (who(budget, scope), budget.limit, budget.currency, shown(spent));
    format!(
        "The period {period} of {who} is over: {spent_text} {currency} of {limit} {currency} were spent ({} % of the limit). The next period starts from zero.",
        percent(spent.checked_div(limit)),
    )
}

/// Spend that cannot be converted. Nothing in here depends on scope or amount: every shard says the same.
pub(super) fn no_rate(budget: &Budget, period: &str) -> String {
    format!(
        "Budget {} is not judged for some of its spend in {period}: no exchange rate of {} was in force when it was spent.",
        budget.name, budget.currency
    )
}

/// What to do about [`no_rate`].
pub(super) fn add_rate(budget: &Budget) -> String {
    format!("Add a [[rate]] of {} whose `from` is not after that time, and restart in an orderly way.", budget.currency)
}

pub(super) fn who(budget: &Budget, scope: &str) -> String {
    if budget.per.is_empty() { format!("Budget {}", budget.name) } else { format!("{scope} (budget {})", budget.name) }
}

/// A share in per cent, cut to one decimal.
pub(super) fn percent(share: Option<Money>) -> String {
    match share.and_then(|share| share.checked_mul(100)) {
        Some(hundredfold) => cut(hundredfold, 1).to_string(),
        None => "?".to_owned(),
    }
}

/// For people: to four decimals, cut. All digits are in the alert's fields.
fn shown(money: Money) -> Money {
    let cut = cut(money, 4);
    if cut == Money::ZERO { money } else { cut }
}

fn cents(money: Money) -> Money {
    cut(money, 2)
}

pub(super) fn cut(money: Money, decimals: u32) -> Money {
    let step = 10_i128.pow(18 - decimals);
    Money::from_units(money.units() / step * step)
}

//! A status for the terminal.

use super::{BudgetStatus, ScopeStatus, Status};
use crate::Amount;
use crate::terminal_text::table;

/// Lines for a terminal of about 120 columns.
pub fn terminal(status: &Status) -> String {
    let verdict = &status.verdict;
    let state = verdict.state.map_or("NO JUDGEMENT", |state| state.as_str());
    let mut text = format!("{state}: {} ({}, exit code {})\n", verdict.reason, status.judged_at, verdict.exit_code);
    text += "\nRhythm\n";
    let header = ["scope", "state", "hour", "coherence", "phase", "entropy", "spent", "expected", "note"].map(str::to_owned);
    text += &table(std::iter::once(header).chain(status.scopes.iter().map(scope_row)).collect::<Vec<_>>().as_slice(), 3..8);
    text += "\nBudgets\n";
    if status.budgets.is_empty() {
        text += "  none has a row: none is configured, or nothing was spent\n";
    } else {
        let header = ["budget", "period", "spent", "limit", "used", "forecast", "exceeded at", "rhythm", "action"].map(str::to_owned);
        text += &table(std::iter::once(header).chain(status.budgets.iter().map(budget_row)).collect::<Vec<_>>().as_slice(), 2..6);
        text += &left_out(&status.budgets).iter().map(|line| format!("  {line}\n")).collect::<String>();
        text += &format!("  {}\n", LEGEND);
    }
    text += "\nAlerts of 24 hours that are not resolved\n";
    for alert in &status.open_alerts {
        text += &format!("  {}  {:9}  {}  {}  {}\n", alert.occurred_at, alert.level, alert.rule, alert.scope, alert.explanation);
    }
    if status.open_alerts.is_empty() {
        text += "  none\n";
    }
    text + "\n" + &inputs(status) + "\n"
}

/// What the column of forecasts holds.
pub(super) const LEGEND: &str = "Forecast: of the newest closed hour; ~ : there is none, a straight line to the period's end; >= : the period is too young for one, it ends at what is spent at least. Every action needs approval.";

/// What was there to judge by, in a sentence.
pub(super) fn inputs(status: &Status) -> String {
    let inputs = &status.inputs;
    let newest = match (&inputs.newest_event_at, inputs.newest_event_age_s) {
        (Some(at), Some(age_s)) => format!("newest event {at} ({} min old)", age_s / 60),
        _ => "no event in 40 days".to_owned(),
    };
    let offsets: u64 = inputs.accounts.iter().map(|account| account.offsets_in).sum();
    let unpriced = match inputs.unpriced_events_24h {
        0 => String::new(),
        unpriced => format!(", of them {unpriced} without a known price: what they cost is in no amount"),
    };
    format!(
        "Database {}: {newest}; {} events in 24 hours{unpriced}; {offsets} offsets of {} partitions read.",
        inputs.database,
        inputs.events_24h,
        inputs.accounts.len()
    )
}

pub(super) fn scope_row(scope: &ScopeStatus) -> [String; 9] {
    let found = scope.rhythm.as_ref();
    let measure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let money = |value: Option<Amount>| value.map_or_else(|| "-".to_owned(), Amount::short);
    [
        scope.scope.clone(),
        found.map_or("-", |found| found.state.as_str()).to_owned(),
        found.map_or_else(|| "-".to_owned(), |found| found.hour.clone()),
        measure(found.and_then(|found| found.coherence)),
        measure(found.and_then(|found| found.phase)),
        measure(found.and_then(|found| found.entropy)),
        money(found.and_then(|found| found.actual)),
        money(found.and_then(|found| found.expected)),
        scope.note.clone(),
    ]
}

pub(super) fn budget_row(budget: &BudgetStatus) -> [String; 9] {
    let row = &budget.row;
    let name = if row.scope.is_empty() { row.budget.clone() } else { format!("{} {}", row.budget, row.scope) };
    let period = if row.is_running == 1 { row.period.clone() } else { format!("{} (over)", row.period) };
    let mark = match budget.forecast_basis {
        _ if row.is_running == 0 => "",
        "straight_line" => "~ ",
        "spent" => ">= ",
        _ => "",
    };
    let action = match budget.confidence {
        Some(confidence) => format!("{} ({:.0} %)", budget.action, confidence * 100.0),
        None => budget.action.to_string(),
    };
    [
        name,
        period,
        row.spent.short_in(&row.currency),
        format!("{} {}", row.limit.short_in(&row.currency), row.currency),
        row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.1} %", ratio * 100.0)),
        format!("{mark}{}", budget.forecast.short_in(&row.currency)),
        match (&budget.exceeded_at, row.spent >= row.limit) {
            (_, true) => "is exceeded".to_owned(),
            (Some(at), _) => at.clone(),
            (None, _) => "-".to_owned(),
        },
        budget.state.map_or("not known", |state| state.as_str()).to_owned(),
        action,
    ]
}

/// Sentences about scopes that are not listed.
pub(super) fn left_out(budgets: &[BudgetStatus]) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for budget in budgets {
        let listed = budgets.iter().filter(|other| other.row.budget == budget.row.budget).count() as u64;
        let sentence = format!("{}: {} more scopes, which have used less", budget.row.budget, budget.row.scopes.saturating_sub(listed));
        if budget.row.scopes > listed && !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

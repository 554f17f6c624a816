//! A status as a Markdown report: what was judged, on what ground, and the hash that ties it to its state file.

use super::terminal::{LEGEND, budget_row, inputs, left_out, scope_row};
use super::{Proof, Status};
use crate::markdown_text::{escaped as cell, row};

/// The report.
pub fn markdown(status: &Status, proof: &Proof) -> String {
    let verdict = &status.verdict;
    let state = verdict.state.map_or("no judgement", |state| state.as_str());
    let mut text = format!(
        "# Cost Rhythm: {state}\n\n{}.\n\n| | |\n|---|---|\n| judged at | {} (ClickHouse's clock) |\n| exit code | {} |\n| version | {} |\n| database | {} |\n\
         | SHA-256 of the judgement | `{}` |\n",
        cell(&verdict.reason),
        status.judged_at,
        verdict.exit_code,
        status.version,
        cell(&status.inputs.database),
        proof.sha256
    );
    text += "\n## Rhythm\n\nGood: coherence from 0.7, phase from 0.8, entropy up to 0.5. Amounts are US dollars of the hour.\n\n";
    text += &row(&["scope", "state", "hour", "coherence", "phase", "entropy", "spent", "expected", "note"].map(str::to_owned));
    text += "|---|---|---|---:|---:|---:|---:|---:|---|\n";
    text += &status.scopes.iter().map(|scope| row(&scope_row(scope))).collect::<String>();
    text += "\n## Budgets\n\n";
    if status.budgets.is_empty() {
        text += "None has a row: none is configured, or nothing was spent.\n";
    } else {
        text += &row(&["budget", "period", "spent", "limit", "used", "forecast", "exceeded at", "rhythm", "action"].map(str::to_owned));
        text += "|---|---|---:|---:|---:|---:|---|---|---|\n";
        text += &status.budgets.iter().map(|budget| row(&budget_row(budget))).collect::<String>();
        text += &left_out(&status.budgets).iter().map(|line| format!("\n{}.\n", cell(line))).collect::<String>();
        text += &format!("\n{}\n", cell(LEGEND));
    }
    text += "\n## Alerts of 24 hours that are not resolved\n\n";
    if status.open_alerts.is_empty() {
        text += "None.\n";
    } else {
        text += "| at | level | rule | scope | what happened |\n|---|---|---|---|---|\n";
        for alert in &status.open_alerts {
            let cells = [&alert.occurred_at, &alert.level, &alert.rule, &alert.scope, &alert.explanation];
            text += &row(&cells.map(Clone::clone));
        }
    }
    text + "\n## Ground\n\n" + &cell(&inputs(status)) + "\n"
}

//! A report as Markdown.

use super::{Advice, Line, Report};
use crate::Amount;
use crate::markdown_text::{escaped, row};

/// The report.
pub fn markdown(report: &Report) -> String {
    let (period, total) = (&report.period, &report.total);
    let money = |amount: Amount| amount.short_in(&report.currency);
    let mut text = format!(
        "# Spend {}\n\n{} to {} ({}), {}. Database {}, cost-rhythm {}, {}.\n\n",
        period.name,
        period.first_day,
        period.last_day,
        escaped(&period.time_zone),
        currency_name(report),
        escaped(&report.database),
        report.version,
        report.generated_at
    );
    text += "| | |\n|---|---:|\n";
    for (name, value) in figures(report) {
        text += &row(&[name.to_owned(), value]);
    }
    text += &format!("\nExact total: {} {}.\n", total.cost, report.currency);
    text += "\n## Recommendations\n\n";
    if report.advice.is_empty() {
        text += "None.\n";
    } else {
        text += "| about | what | money |\n|---|---|---:|\n";
        for advice in &report.advice {
            text += &row(&[advice.about.clone(), advice.text.clone(), saving(advice)]);
        }
    }
    for breakdown in &report.breakdowns {
        text += &format!("\n## By {}\n\n", breakdown.by);
        text += &row(&[breakdown.by, "cost", "share", "before", "change", "calls", "per call", "failed"].map(str::to_owned));
        text += "|---|---:|---:|---:|---:|---:|---:|---:|\n";
        text += &breakdown.lines.iter().map(|line| row(&line_cells(line, total.cost, &report.currency))).collect::<String>();
        if breakdown.others > 0 {
            let cells = [format!("{} others", breakdown.others), money(breakdown.others_cost), share(breakdown.others_cost, total.cost)];
            text += &row(&[&cells[..], &["", "", "", "", ""].map(str::to_owned)].concat());
        }
    }
    if !report.days.is_empty() {
        text += "\n## By day\n\n| day | cost | calls |\n|---|---:|---:|\n";
        text += &report.days.iter().map(|slot| row(&[slot.name.clone(), money(slot.cost), slot.calls.to_string()])).collect::<String>();
    }
    text += &format!("\n## By hour of the day ({})\n\n| hour | cost | calls |\n|---|---:|---:|\n", escaped(&period.time_zone));
    text += &report.hours.iter().map(|slot| row(&[slot.name.clone(), money(slot.cost), slot.calls.to_string()])).collect::<String>();
    for allocation in &report.allocations {
        text += &format!("\n## Allocation by {}\n\n| | direct | shared | total |\n|---|---:|---:|---:|\n", escaped(&allocation.by));
        for line in &allocation.lines {
            text += &row(&[line.name.clone(), money(line.direct), money(line.shared), money(line.total)]);
        }
        text += &row(&["not allocated".to_owned(), String::new(), String::new(), money(allocation.unallocated)]);
    }
    if !report.notes.is_empty() {
        text += "\n## What is not known\n\n";
        text += &report.notes.iter().map(|note| format!("- {}\n", escaped(note))).collect::<String>();
    }
    text
}

/// What the amounts are, in the head of a report.
pub(super) fn currency_name(report: &Report) -> &str {
    if report.currency == "USD" { "US dollars" } else { &report.currency }
}

/// The money that advice is about, in its own currency.
pub(super) fn saving(advice: &Advice) -> String {
    format!("{} {} {}", advice.saving.short_in(&advice.currency), advice.currency, advice.saving_is.words())
}

/// The key figures with their names.
pub(super) fn figures(report: &Report) -> Vec<(&'static str, String)> {
    let (total, kpis) = (&report.total, &report.kpis);
    let money = |amount: Option<Amount>| {
        amount.map_or_else(|| "-".to_owned(), |amount| format!("{} {}", amount.short_in(&report.currency), report.currency))
    };
    vec![
        ("Total", money(Some(total.cost))),
        ("Period before", money(Some(total.previous_cost))),
        ("Change", format!("{} ({})", money(Some(total.change)), change(total))),
        ("Calls", total.calls.to_string()),
        ("Calls of the period before", total.previous_calls.to_string()),
        ("Average per call", money(kpis.cost_per_call)),
        ("Average per call with a feature", money(kpis.cost_per_feature_call)),
        ("Failure rate", percent(kpis.failure_rate)),
        ("Users", kpis.users.map_or_else(|| "-".to_owned(), |users| users.to_string())),
        ("Cost per user", money(kpis.cost_per_user)),
        ("Revenue", money(Some(kpis.revenue))),
        ("Margin", money(Some(kpis.margin))),
        ("Events without a known price", total.unpriced_events.to_string()),
    ]
}

pub(super) fn line_cells(line: &Line, total: Amount, currency: &str) -> Vec<String> {
    vec![
        if line.name.is_empty() { "(not given)".to_owned() } else { line.name.clone() },
        line.cost.short_in(currency),
        share(line.cost, total),
        line.previous_cost.short_in(currency),
        change(line),
        line.calls.to_string(),
        line.cost_per_call.map_or_else(|| "-".to_owned(), |cost| cost.short_in(currency)),
        percent(line.failure_rate),
    ]
}

pub(super) fn share(part: Amount, all: Amount) -> String {
    let all = all.approximate();
    if all > 0.0 { format!("{:.1} %", part.approximate() * 100.0 / all) } else { "-".to_owned() }
}

pub(super) fn change(line: &Line) -> String {
    match line.change_ratio {
        Some(ratio) => format!("{:+.1} %", ratio * 100.0),
        None if line.cost == Amount::default() => "-".to_owned(),
        None => "new".to_owned(),
    }
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0))
}

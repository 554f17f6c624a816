//! A reconciliation for a terminal.

use super::compare::Line;
use super::{Reconciliation, Verdict};
use crate::Amount;
use crate::terminal_text::table;

/// Lines for a terminal of about 120 columns.
pub fn terminal(found: &Reconciliation) -> String {
    let by = found.by.name();
    let mut text = format!(
        "Bills and what was counted, by {by} and UTC day, in US dollars. Database {}, cost-rhythm {}, {}.\n",
        found.database, found.version, found.generated_at
    );
    for file in &found.files {
        text += &format!("  {}: {}, {}, {} charges\n", file.file, file.form.name(), file.cost, file.charges);
    }
    if !found.lines.is_empty() {
        let head = [by, "day", "billed", "counted", "difference", "drift", "coverage", ""].map(str::to_owned);
        let mut rows = vec![head];
        // Both are in the order of names.
        for (days, total) in found.lines.chunk_by(|one, next| one.name == next.name).zip(&found.totals) {
            rows.extend(days.iter().map(row));
            rows.push(row(total));
        }
        text += &format!("\n{}", table(&rows, 2..7));
    }
    if !found.only_billed.is_empty() {
        text += &format!("\nOnly in the bill: {}\n", found.only_billed.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", "));
    }
    if !found.only_counted.is_empty() {
        text += "\nCounted on these days and not in the bill at all, not judged:\n";
        let rows: Vec<[String; 2]> = found.only_counted.iter().map(|line| [shown(&line.name), line.counted.short()]).collect();
        text += &table(&rows, 1..2);
    }
    if !found.apart.is_empty() {
        text += "\nIn the bill and not compared, as no event counts it:\n";
        let cells = |line: &super::ApartLine| {
            [shown(&line.name), line.kind.name().to_owned(), line.amount.short(), format!("{} charges", line.charges)]
        };
        text += &table(&found.apart.iter().map(cells).collect::<Vec<_>>(), 2..4);
    }
    text += &found.notes.iter().map(|note| format!("\nNote: {note}\n")).collect::<String>();
    text + &format!("\n{}\n", verdict(found))
}

fn row(line: &Line) -> [String; 8] {
    let percent = |amount: Option<Amount>, is_exact: bool| match amount {
        Some(amount) if is_exact => format!("{} %", amount.short()),
        Some(amount) => format!("{} %", amount.rounded(2)),
        None => "-".to_owned(),
    };
    [
        shown(&line.name),
        line.day.map_or_else(|| "all days".to_owned(), |day| day.to_string()),
        line.billed.short(),
        line.counted.short(),
        line.difference.short(),
        percent(line.drift_percent, true),
        percent(line.coverage_percent, false),
        if line.is_within { "" } else { "differs" }.to_owned(),
    ]
}

fn shown(name: &str) -> String {
    // Names are of others: nothing of them may move the cursor.
    if name.is_empty() { "(no name)".to_owned() } else { name.chars().map(|one| if one.is_control() { ' ' } else { one }).collect() }
}

fn verdict(found: &Reconciliation) -> String {
    let tolerance = found.tolerance_percent;
    match found.verdict {
        Verdict::Within => format!("Every day and every total is within {tolerance} %."),
        Verdict::Differs => {
            let days = found.lines.iter().filter(|line| !line.is_within).count();
            let totals = found.totals.iter().filter(|line| !line.is_within).count();
            format!(
                "{days} of {} days and {totals} of {} totals differ by more than {tolerance} % of what was billed.",
                found.lines.len(),
                found.totals.len()
            )
        }
        Verdict::NothingOverlaps if found.totals.is_empty() => "No judgement: the bill has no charge that is compared.".to_owned(),
        Verdict::NothingOverlaps => {
            format!(
                "No judgement: nothing that is billed was counted on these days. Are the names the same? See --{}-name.",
                found.by.name()
            )
        }
    }
}

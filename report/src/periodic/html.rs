//! A report as one HTML file: style and plots inside, no script, nothing fetched; light, dark and on paper.

use super::markdown::{currency_name, figures, line_cells, saving, share};
use super::plot::columns;
use super::{Allocation, Breakdown, Report};
use crate::Amount;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee4;--back:#ffffff;--bar:#2f6fab;--note:#f4f6f8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#333b45;--back:#14181d;--bar:#6aa7dd;--note:#1d232a}}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--back:#fff;--bar:#2f6fab;--note:#fff}section{break-inside:avoid}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1000px;padding:24px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back)}
h1{margin:0;font-size:26px}h2{margin:32px 0 8px;font-size:18px}p{color:var(--soft);margin:4px 0}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:8px;margin:16px 0}
dl div{background:var(--note);border:1px solid var(--line);border-radius:6px;padding:8px 12px}dt{color:var(--soft);font-size:13px}dd{margin:0;font-variant-numeric:tabular-nums;font-weight:600}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{padding:4px 8px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:500;font-size:13px}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{width:100%;height:auto}svg text{fill:var(--soft);font-size:11px;font-family:inherit}.grid{stroke:var(--line)}.bar{fill:var(--bar)}
";

/// The report.
pub fn html(report: &Report) -> String {
    let period = &report.period;
    let title = escaped(&format!("Spend {}", period.name));
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{} to {} ({}), {}. Database {}, cost-rhythm {}, {}.</p>\n<dl>\n",
        period.first_day,
        period.last_day,
        escaped(&period.time_zone),
        escaped(currency_name(report)),
        escaped(&report.database),
        escaped(&report.version),
        escaped(&report.generated_at)
    );
    for (name, value) in figures(report) {
        text += &format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(&value));
    }
    text += &format!("</dl>\n<p>Exact total: {} {}.</p>\n", report.total.cost, escaped(&report.currency));
    if !report.days.is_empty() {
        text += &section("By day", &columns("Cost by day", &report.days, &report.currency));
    }
    text += &section(
        &format!("By hour of the day ({})", period.time_zone),
        &columns("Cost by hour of the day", &report.hours, &report.currency),
    );
    text += &section("Recommendations", &advice(report));
    for breakdown in &report.breakdowns {
        text += &section(&format!("By {}", breakdown.by), &of_breakdown(breakdown, report.total.cost, &report.currency));
    }
    for allocation in &report.allocations {
        text += &section(&format!("Allocation by {}", allocation.by), &of_allocation(allocation, &report.currency));
    }
    if !report.notes.is_empty() {
        let notes: String = report.notes.iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
        text += &section("What is not known", &format!("<ul>\n{notes}</ul>\n"));
    }
    text + "</body>\n</html>\n"
}

fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escaped(title))
}

fn advice(report: &Report) -> String {
    if report.advice.is_empty() {
        return "<p>None.</p>\n".to_owned();
    }
    let rows = report.advice.iter().map(|advice| vec![advice.about.clone(), advice.text.clone(), saving(advice)]);
    table(&["about", "what", "money"], 2, rows)
}

fn of_breakdown(breakdown: &Breakdown, total: Amount, currency: &str) -> String {
    let others = (breakdown.others > 0).then(|| {
        let cells = [format!("{} others", breakdown.others), breakdown.others_cost.short_in(currency), share(breakdown.others_cost, total)];
        cells.into_iter().chain(std::iter::repeat_n(String::new(), 5)).collect()
    });
    let rows = breakdown.lines.iter().map(|line| line_cells(line, total, currency)).chain(others);
    table(&[breakdown.by, "cost", "share", "before", "change", "calls", "per call", "failed"], 1, rows)
}

fn of_allocation(allocation: &Allocation, currency: &str) -> String {
    let money = |amount: Amount| amount.short_in(currency);
    let lines = allocation.lines.iter().map(|line| vec![line.name.clone(), money(line.direct), money(line.shared), money(line.total)]);
    let rest = vec!["not allocated".to_owned(), String::new(), String::new(), money(allocation.unallocated)];
    table(&[&allocation.by, "direct", "shared", "total"], 1, lines.chain([rest]))
}

/// Columns from `numbers` on are aligned as numbers.
fn table(header: &[&str], numbers: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let class = |column: usize| if column >= numbers { " class=\"n\"" } else { "" };
    let cells = |tag: &str, cells: Vec<String>| {
        let cells = cells.iter().enumerate().map(|(column, cell)| format!("<{tag}{}>{}</{tag}>", class(column), escaped(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let head = cells("th", header.iter().map(|name| (*name).to_owned()).collect());
    let body: String = rows.map(|row| cells("td", row)).collect();
    format!("<div class=\"scroll\"><table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n</table></div>\n")
}

/// Text of others inside HTML and its attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character => out.push(character),
        }
    }
    out
}

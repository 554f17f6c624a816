//! An outlook for people.

use super::{Outlook, Projected, UsersNeeded};
use crate::Amount;
use crate::markdown_text::{escaped, row};
use crate::terminal_text::table;

const COLUMNS: [&str; 6] = ["month", "users", "cost", "per user", "revenue", "margin"];

/// Lines for a terminal of about 100 columns.
pub fn terminal(outlook: &Outlook) -> String {
    let mut text = format!("{}\n\n", head(outlook));
    text += &table(&figures(outlook).map(|(name, value)| [name.to_owned(), value]), 1..2);
    text += &format!("\n{}\n", break_even(outlook));
    for projected in &outlook.scenarios {
        text += &format!("\n{}\n", title(projected));
        let rows: Vec<[String; 6]> = std::iter::once(COLUMNS.map(str::to_owned)).chain(rows(outlook, projected)).collect();
        text += &table(&rows, 1..6);
    }
    text + &outlook.notes.iter().map(|note| format!("\nNote: {note}")).collect::<String>()
        + if outlook.notes.is_empty() { "" } else { "\n" }
}

/// The outlook as Markdown.
pub fn markdown(outlook: &Outlook) -> String {
    let mut text = format!("# Growth scenarios over {}\n\n{}\n\n| | |\n|---|---:|\n", outlook.month.name, escaped(&head(outlook)));
    text += &figures(outlook).map(|(name, value)| row(&[name.to_owned(), value])).concat();
    text += &format!("\n## Break-even\n\n{}\n", escaped(&break_even(outlook)));
    for projected in &outlook.scenarios {
        text += &format!("\n## {}\n\n{}|---|---:|---:|---:|---:|---:|\n", title(projected), row(&COLUMNS.map(str::to_owned)));
        text += &rows(outlook, projected).map(|cells| row(&cells)).collect::<String>();
    }
    if !outlook.notes.is_empty() {
        text += "\n## What is not known\n\n";
        text += &outlook.notes.iter().map(|note| format!("- {}\n", escaped(note))).collect::<String>();
    }
    text
}

fn head(outlook: &Outlook) -> String {
    format!(
        "Measured month {} ({}), {}. Database {}, cost-rhythm {}, {}.",
        outlook.month.name, outlook.month.time_zone, outlook.currency, outlook.database, outlook.version, outlook.generated_at
    )
}

fn figures(outlook: &Outlook) -> [(&'static str, String); 7] {
    let (measured, money) = (&outlook.measured, |amount: Amount| amount.short_in(&outlook.currency));
    [
        ("Measured spend", money(measured.cost)),
        ("of it on models, grows with usage", money(measured.variable_cost)),
        ("fixed: the rest of the spend", money(measured.fixed_cost.less(measured.unmeasured_fixed_cost))),
        ("fixed: given, no event reports it", money(measured.unmeasured_fixed_cost)),
        ("Calls", measured.calls.to_string()),
        ("Users", measured.users.to_string()),
        ("Revenue", measured.revenue.map_or_else(|| "not known".to_owned(), money)),
    ]
}

/// The break-even in sentences.
fn break_even(outlook: &Outlook) -> String {
    let money = |amount: Amount| format!("{} {}", amount.short_in(&outlook.currency), outlook.currency);
    let Some(found) = &outlook.break_even else {
        return "There are no users in the measured month: no price per user would cover the spend, and how many users it takes is not known.".to_owned();
    };
    let price = format!(
        "The spend is covered from {} per user and month on, of which {} are used up by the user's own calls.",
        money(found.price_per_user),
        money(found.variable_per_user)
    );
    let present = found.revenue_per_user.map(money).unwrap_or_default();
    let users = match found.users {
        UsersNeeded::RevenueNotKnown => "There is no revenue in the measured month, so how many users it takes is not known.".to_owned(),
        UsersNeeded::Never => {
            format!("At the present revenue of {present} per user no number of users breaks even: each costs at least what he brings in.")
        }
        UsersNeeded::AtLeast(0) => {
            format!("At the present revenue of {present} per user any number of users breaks even: there is no fixed cost.")
        }
        UsersNeeded::AtLeast(users) => {
            format!(
                "At the present revenue of {present} per user it takes {users} users to break even; there are {}.",
                outlook.measured.users
            )
        }
    };
    format!("{price} {users}")
}

fn title(projected: &Projected) -> String {
    let scenario = &projected.scenario;
    format!(
        "{}: {} % more users a month, each uses {} times as much, the same usage costs {} % less",
        scenario.name,
        scenario.growth_percent,
        scenario.intensity,
        scenario.efficiency.times(100).unwrap_or_default()
    )
}

fn rows<'a>(outlook: &'a Outlook, projected: &'a Projected) -> impl Iterator<Item = [String; 6]> + 'a {
    let money = |amount: Option<Amount>| amount.map_or_else(|| "-".to_owned(), |amount| amount.short_in(&outlook.currency));
    projected.months.iter().map(move |month| {
        [
            month.month.clone(),
            month.users.map_or_else(|| "-".to_owned(), |users| users.rounded(0)),
            money(Some(month.cost)),
            money(month.break_even_per_user),
            money(month.revenue),
            money(month.margin),
        ]
    })
}

//! Which budgets there are and which grouping set counts each: what readers without the program's configuration need beside the amounts.

use schemas::budget::CountedBudget;

use super::client::ClickHouse;
use super::error::ClickHouseError;
use super::views::View;

/// The view's text is kept below the server's `max_query_size` (256 KiB); budgets that have no room are not listed.
const MOST_BYTES: usize = 200_000;

impl ClickHouse {
    /// Makes the view `budget_definitions` show these budgets; nothing is written when it does already. After [`ClickHouse::migrate`]. Instances whose files differ take
    /// turns: the one that started last is right.
    ///
    /// # Errors
    /// What the server says.
    pub async fn publish_budgets(&self, budgets: &[CountedBudget]) -> Result<(), ClickHouseError> {
        self.make_views(&[budget_definitions(budgets)]).await?;
        Ok(())
    }
}

fn budget_definitions(budgets: &[CountedBudget]) -> View {
    let mut rows = String::new();
    for budget in budgets {
        let row = format!("({}, {}, {})", literal(&budget.name), literal(&budget.set), budget.is_rolling);
        if rows.len() + row.len() > MOST_BYTES {
            break;
        }
        rows += if rows.is_empty() { "" } else { ", " };
        rows += &row;
    }
    let select = format!(
        "SELECT
    b.1 AS budget,
    b.2 AS `set`,
    b.3 AS is_rolling
FROM (SELECT arrayJoin(CAST([{rows}], 'Array(Tuple(String, String, Bool))')) AS b)"
    );
    View { name: "budget_definitions".to_owned(), select }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_budgets_as_have_room_are_listed() {
        let budget = |number: usize| CountedBudget { name: format!("b{number:090}"), set: "total".to_owned(), is_rolling: false };
        let many: Vec<CountedBudget> = (0..5000).map(budget).collect();
        let select = budget_definitions(&many).select;
        assert!(select.len() < MOST_BYTES + 200 && select.contains(&many[1000].name) && !select.contains(&many[4999].name));
    }
}

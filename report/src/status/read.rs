//! The questions of a status, and what is made of their answers.

use std::collections::BTreeMap;

use schemas::budget::CountedBudget;
use serde::Deserialize;

use super::action::budget_status;
use super::verdict::{scope_status, verdict};
use super::{AccountFound, BudgetFound, Inputs, PaceFound, Question, RhythmFound, Status};
use crate::{ReadError, Reader, literal};

/// Scopes of one budget that are listed: those that have used most.
const SCOPES_OF_A_BUDGET: u32 = 10;
/// Budgets with all their scopes that are listed.
const MOST_BUDGETS: u32 = 500;

/// A time as RFC 3339 in UTC.
fn time(expression: &str) -> String {
    format!("formatDateTime({expression}, '%Y-%m-%dT%H:%i:%SZ', 'UTC')")
}

/// Judges the spend as it stands.
///
/// # Errors
/// [`ReadError`]: ClickHouse cannot be asked.
pub fn read(reader: &Reader<'_>, question: &Question) -> Result<Status, ReadError> {
    let clock: Clock = reader.row("the time", &format!("SELECT {} AS judged_at", time("now()")))?;
    let inputs = read_inputs(reader, question)?;
    let question = &Question { budgets: counted_budgets(reader, question)?, ..question.clone() };
    let mut found: Vec<BudgetFound> = reader.rows("budgets", &budgets_sql())?;
    for budget in &mut found {
        let known = question.budgets.iter().find(|known| known.name == budget.budget);
        if known.is_some_and(|known| known.is_rolling) && budget.ended_s <= question.stale_after_s {
            budget.is_running = 1;
        }
    }
    let rhythm_scopes: Vec<String> = found.iter().map(|budget| rhythm_scope(question, budget)).collect();
    let judged = judged_scopes(question, &found, &rhythm_scopes);
    let wanted: Vec<&str> = judged.iter().chain(&rhythm_scopes).map(String::as_str).collect();
    let rows: Vec<RhythmFound> = reader.rows("rhythm", &rhythm_sql(&wanted))?;
    let rhythms: BTreeMap<&str, &RhythmFound> = rows.iter().map(|row| (row.scope.as_str(), row)).collect();

    let of_scope = |scope: &String| scope_status(scope.clone(), rhythms.get(scope.as_str()).copied().cloned(), question.stale_after_s);
    let scopes: Vec<_> = judged.iter().map(of_scope).collect();
    let paces: Vec<PaceFound> = reader.rows("paces of budgets", &paces_sql(&found))?;
    let budgets = found.into_iter().zip(rhythm_scopes).map(|(row, rhythm_scope)| {
        let known = rhythms.get(rhythm_scope.as_str()).filter(|found| found.age_s <= question.stale_after_s);
        let pace = paces.iter().find(|pace| pace.budget == row.budget && pace.scope == row.scope);
        budget_status(row, rhythm_scope, known.map(|found| found.state), pace, question.stale_after_s)
    });
    Ok(Status {
        format: "cost-rhythm-status/1",
        version: question.version.clone(),
        judged_at: clock.judged_at,
        verdict: verdict(&scopes, &inputs, !question.scopes.is_empty()),
        budgets: budgets.collect(),
        open_alerts: reader.rows("alerts", &alerts_sql())?,
        scopes,
        inputs,
    })
}

#[derive(Deserialize)]
struct Clock {
    judged_at: String,
}

#[derive(Deserialize)]
struct Newest {
    newest_event_at: Option<String>,
    newest_event_age_s: Option<i64>,
    events_24h: u64,
    unpriced_events_24h: u64,
}

fn read_inputs(reader: &Reader<'_>, question: &Question) -> Result<Inputs, ReadError> {
    let newest: Newest = reader.row(
        "the newest event",
        &format!(
            "SELECT if(count() = 0, NULL, {}) AS newest_event_at,
                if(count() = 0, NULL, dateDiff('second', max(last_event_at), now64(6))) AS newest_event_age_s,
                toUInt64(sumIf(events, window_start > now() - INTERVAL 24 HOUR)) AS events_24h,
                toUInt64(sumIf(unpriced_events, window_start > now() - INTERVAL 24 HOUR)) AS unpriced_events_24h
            FROM hourly_total WHERE window_start > now() - INTERVAL 40 DAY",
            time("max(last_event_at)")
        ),
    )?;
    let accounts: Vec<AccountFound> = reader.rows(
        "accounts",
        "SELECT topic, `partition`, toUInt64(offsets_in) AS offsets_in, toUInt64(counted) AS counted FROM pipeline_accounts \
         ORDER BY topic, `partition`",
    )?;
    Ok(Inputs {
        database: question.database.clone(),
        stale_after_s: question.stale_after_s,
        newest_event_at: newest.newest_event_at,
        newest_event_age_s: newest.newest_event_age_s,
        events_24h: newest.events_24h,
        unpriced_events_24h: newest.unpriced_events_24h,
        accounts,
    })
}

/// Budgets as the running service counts them: it says so in a view. Those that it does not name are counted as they are configured here.
fn counted_budgets(reader: &Reader<'_>, question: &Question) -> Result<Vec<CountedBudget>, ReadError> {
    let view = "SELECT toUInt64(count()) AS views FROM system.tables WHERE database = currentDatabase() AND name = 'budget_definitions'";
    let mut budgets = Vec::new();
    if reader.row::<Views>("views", view)?.views > 0 {
        budgets = reader.rows::<CountedBudget>("budgets' sets", "SELECT budget AS name, `set`, is_rolling FROM budget_definitions")?;
    }
    // The first of a name counts.
    budgets.extend(question.budgets.iter().cloned());
    Ok(budgets)
}

#[derive(Deserialize)]
struct Views {
    views: u64,
}

fn budgets_sql() -> String {
    format!(
        "SELECT * FROM (
            SELECT budget, scope, period, {} AS period_end, currency, toString(spent) AS spent, toString(`limit`) AS `limit`,
                toString(`projection`) AS `projection`, ratio, if(exceeded_at IS NULL, NULL, {}) AS exceeded_at, level, toUInt8(is_running) AS is_running, dateDiff('second', b.period_end, now()) AS ended_s,
                count() OVER (PARTITION BY budget) AS scopes
            FROM budget_forecast AS b
            WHERE b.period_end > now() - INTERVAL 40 DAY
        ) ORDER BY budget, is_running DESC, ratio DESC, scope LIMIT {SCOPES_OF_A_BUDGET} BY budget LIMIT {MOST_BUDGETS}",
        time("b.period_end"),
        time("b.exceeded_at"),
    )
}

/// The newest row of each budget and scope that is listed.
fn paces_sql(budgets: &[BudgetFound]) -> String {
    let pairs: Vec<String> = budgets.iter().map(|found| format!("({}, {})", literal(&found.budget), literal(&found.scope))).collect();
    let pairs = if pairs.is_empty() { "('', '')".to_owned() } else { pairs.join(", ") };
    format!(
        "SELECT budget, scope, period, dateDiff('second', p.hour + INTERVAL 1 HOUR, now()) AS age_s, toString(p.forecast) AS forecast, toString(p.low) AS low,
            toString(p.high) AS high, if(p.exceeded_at IS NULL, NULL, {}) AS exceeded_at, toString(p.action) AS action, p.confidence AS confidence, p.gate_score AS gate_score
        FROM budget_pace AS p WHERE p.hour > now() - INTERVAL 40 DAY AND (p.budget, p.scope) IN ({pairs})
        ORDER BY p.hour DESC LIMIT 1 BY budget, scope",
        time("p.exceeded_at"),
    )
}

fn rhythm_sql(scopes: &[&str]) -> String {
    let literals: Vec<String> = scopes.iter().map(|scope| literal(scope)).collect();
    format!(
        "SELECT scope, {} AS hour, dateDiff('second', r.hour + INTERVAL 1 HOUR, now()) AS age_s, state, coherence, phase, entropy,
            toString(actual) AS actual, toString(expected) AS expected
        FROM rhythm AS r WHERE r.hour > now() - INTERVAL 40 DAY AND scope IN ({})
        ORDER BY r.hour DESC LIMIT 1 BY scope",
        time("r.hour"),
        literals.join(", ")
    )
}

fn alerts_sql() -> String {
    format!(
        "SELECT rule, scope, period, level, {} AS occurred_at, explanation FROM (
            SELECT rule, scope, period, argMax(level, a.occurred_at) AS level, argMax(state, a.occurred_at) AS state, max(a.occurred_at) AS at,
                argMax(JSONExtractString(data, 'explanation'), a.occurred_at) AS explanation
            FROM alerts AS a WHERE a.occurred_at > now() - INTERVAL 24 HOUR GROUP BY rule, scope, period
        ) WHERE state IN ('fired', 'escalated') ORDER BY at DESC, rule, scope LIMIT 50",
        time("at")
    )
}

/// The scope that the rhythm of a budget is kept under. A budget that nobody knows is taken to have a set of its own.
fn rhythm_scope(question: &Question, found: &BudgetFound) -> String {
    let configured = question.budgets.iter().find(|budget| budget.name == found.budget);
    let own = format!("budget:{}", found.budget);
    let set = configured.map_or(own.as_str(), |budget| &budget.set);
    match (set.starts_with("budget:"), found.scope.is_empty()) {
        (true, true) => set.to_owned(),
        (true, false) => format!("{set},{}", found.scope),
        (false, true) => "total".to_owned(),
        (false, false) => found.scope.clone(),
    }
}

/// Those asked for, or the total and every budget that has one scope.
fn judged_scopes(question: &Question, budgets: &[BudgetFound], rhythm_scopes: &[String]) -> Vec<String> {
    if !question.scopes.is_empty() {
        return question.scopes.clone();
    }
    let mut scopes = vec!["total".to_owned()];
    for (budget, scope) in budgets.iter().zip(rhythm_scopes) {
        if budget.scope.is_empty() && !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Amount;

    fn found(budget: &str, scope: &str) -> BudgetFound {
        BudgetFound {
            budget: budget.to_owned(),
            scope: scope.to_owned(),
            period: String::new(),
            period_end: String::new(),
            currency: "USD".to_owned(),
            spent: Amount::default(),
            limit: Amount::default(),
            projection: None,
            ratio: None,
            exceeded_at: None,
            level: String::new(),
            is_running: 1,
            ended_s: -1,
            scopes: 1,
        }
    }

    #[test]
    fn a_budgets_rhythm_is_that_of_the_set_that_counts_it() {
        let counted = |name: &str, set: &str| CountedBudget { name: name.to_owned(), set: set.to_owned(), is_rolling: false };
        let question = Question {
            scopes: Vec::new(),
            budgets: vec![counted("llm-daily", "total"), counted("llm-user-daily", "user"), counted("ecs-daily", "budget:ecs-daily")],
            stale_after_s: 1,
            version: String::new(),
            database: String::new(),
        };
        assert_eq!(rhythm_scope(&question, &found("llm-daily", "")), "total");
        assert_eq!(rhythm_scope(&question, &found("llm-user-daily", "user_id=u-1")), "user_id=u-1");
        assert_eq!(rhythm_scope(&question, &found("ecs-daily", "")), "budget:ecs-daily");
        assert_eq!(rhythm_scope(&question, &found("gone", "team=a")), "budget:gone,team=a");
    }
}

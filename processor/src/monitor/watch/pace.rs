//! Where the budgets of a watched series will end, and what to do about it. Judged when an hour is closed.
//!
//! What a period has spent is what came on time and, from the hour in which it entered on, what came late: both are functions of the inputs'
//! logs. A period that was not watched from its beginning is not judged. Budgets of an hour are not projected.

use detection::action::{Action, GateInputs, GateScore, Recommendation, recommend};
use detection::forecast::{Forecast, Forecaster, Period};
use detection::rhythm::{Expectation, Hour, State};
use schemas::alert::{Alert, AlertState, Level};
use schemas::budget::{Budget, BudgetWindow};
use schemas::calendar::Window;
use schemas::rollup::PaceRow;
use schemas::{Bucket, Currency, Money, Timestamp};
use serde::{Deserialize, Serialize};

use super::extras::Extras;
use super::{WatchRules, watched, words};
use crate::monitor::steps::{Step, Turn, climb, is_any_on};
use crate::monitor::{MonitorRules, NEVER, hour_end, hour_of, hour_start};

/// Recommended actions that are one.
const ACTIONS: [Action; 3] = [Action::ScaleDown, Action::Rollback, Action::EmergencyStop];

/// Hours in a row without a threshold or an action until it is over: as many as the rhythm, on which they hang, waits before it says that it is better.
const QUIET_H: u8 = 12;

/// A sum does not fit.
#[derive(Debug)]
pub(super) struct PaceOverflow;

/// Is the budget projected?
pub(super) fn is_projected(budget: &Budget) -> bool {
    matches!(budget.window, BudgetWindow::Daily | BudgetWindow::Monthly)
}

/// What is kept of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pace {
    forecaster: Forecaster,
    /// One for each projected budget of the series' set, in their order.
    budgets: Vec<BudgetPace>,
}

/// The running period of one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct BudgetPace {
    budget: Box<str>,
    /// The hour from which on it is kept.
    since: u32,
    /// Of the period; [`NEVER`] before the first.
    end: Timestamp,
    /// Was it watched from its beginning, with exchange rates for all that was spent?
    is_whole: bool,
    /// In the budget's currency.
    spent: Money,
    sums: Extras,
    cost: Money,
    projected: Vec<Step>,
    actions: Vec<Step>,
}

/// A projection of one budget, made before the state of the hour is known.
pub(super) struct Projection {
    nth: usize,
    window: Window,
    per_usd: Money,
    before: Money,
    /// In US dollars.
    forecast: Forecast,
    /// In US dollars.
    limit: f64,
}

impl Projection {
    /// Projected spend as a share of the limit.
    pub(super) fn ratio(&self) -> f64 {
        self.forecast.expected / self.limit
    }
}

/// An hour of the series, closed.
#[derive(Clone, Copy)]
pub(super) struct ClosedHour<'a> {
    pub(super) hour: u32,
    pub(super) net: Money,
    pub(super) extras: &'a Extras,
    /// Everything that the series has spent from this hour on was watched.
    pub(super) known_since: u32,
}

/// Where rows and alerts go.
pub(super) struct Told<'a> {
    pub(super) alerts: &'a mut Vec<Alert>,
    pub(super) rows: &'a mut Vec<Projected>,
    pub(super) revision: i64,
}

/// A row that is not written yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Projected {
    budget: Box<str>,
    scope: Box<str>,
    period: Box<str>,
    window: Window,
    pub(super) hour: u32,
    currency: Currency,
    limit: Money,
    spent: Money,
    /// Expected, low, high, straight line.
    ends: [Money; 4],
    exceeded_at: Option<Timestamp>,
    recommended: Action,
    confidence: f64,
    gate: GateScore,
    state: State,
    revision: i64,
}

impl Projected {
    pub(super) fn row(&self) -> PaceRow<'_> {
        let [forecast, low, high, straight_line] = self.ends;
        PaceRow {
            budget: &self.budget,
            scope: &self.scope,
            period: &self.period,
            period_start: self.window.start,
            period_end: self.window.end,
            hour: hour_start(self.hour),
            currency: self.currency,
            limit: self.limit,
            spent: self.spent,
            forecast,
            low,
            high,
            straight_line,
            exceeded_at: self.exceeded_at,
            action: self.recommended.as_str(),
            confidence: self.confidence,
            gate_score: self.gate.score,
            roi: self.gate.roi.input,
            slo: self.gate.slo.input,
            age_days: self.gate.maturity.input,
            state: self.state.as_str(),
            revision: self.revision,
        }
    }
}

impl Pace {
    /// Of a series of a set with these budgets that may have spent something before hour `since`.
    pub(super) fn new<'b>(budgets: impl Iterator<Item = &'b Budget>, since: u32) -> Self {
        Pace { forecaster: Forecaster::default(), budgets: budgets.map(|budget| BudgetPace::new(budget, since)).collect() }
    }

    /// The same under rules in which the set has these budgets. One that is new is judged from the next period after hour `now` on.
    pub(super) fn under<'b>(mut self, budgets: impl Iterator<Item = &'b Budget>, now: u32) -> Self {
        let known = |budget: &Budget, held: &[BudgetPace]| held.iter().find(|pace| *pace.budget == *budget.name).cloned();
        self.budgets = budgets.map(|budget| known(budget, &self.budgets).unwrap_or_else(|| BudgetPace::new(budget, now))).collect();
        self
    }

    /// Takes in a closed hour that `expectation` has already learnt, and projects every budget that can be.
    pub(super) fn close_hour(
        &mut self,
        budgets: &[u16],
        rules: &MonitorRules,
        closed: ClosedHour<'_>,
        expectation: &Expectation,
        (scope, told): (&str, &mut Told<'_>),
    ) -> Result<Vec<Projection>, PaceOverflow> {
        let hour = Hour(closed.hour.into());
        self.forecaster.close_hour(hour, watched::dollars(closed.net).max(0.0), expectation);
        let mut projections = Vec::new();
        for (nth, (pace, at)) in self.budgets.iter_mut().zip(budgets).enumerate() {
            let definition = &rules.budgets[*at as usize];
            let bucket = Bucket::of(hour_start(closed.hour));
            let window = definition.window.of(&rules.calendar, bucket);
            if pace.end != window.end {
                pace.tell_reset(definition, scope, rules, told);
                let known_since = closed.known_since.max(pace.since);
                let is_whole = known_since <= hour_of(Bucket::of(window.start));
                *pace = BudgetPace { end: window.end, is_whole, ..BudgetPace::new(definition, pace.since) };
            }
            let before = pace.spent;
            pace.add(definition, rules, window, closed).ok_or(PaceOverflow)?;
            let Some(rate) = rules.rates.version_at(definition.currency, hour_start(closed.hour)).filter(|_| pace.is_whole) else {
                continue;
            };
            let usd = |amount: Money| watched::dollars(amount) / watched::dollars(rate.per_usd);
            let limit = usd(definition.limit);
            let hours = [window.start, window.end].map(|at| Hour(hour_of(Bucket::of(at)).into()));
            let Ok(period) = Period::new(hours[0], hours[1], usd(pace.spent), limit) else { continue };
            let forecast = self.forecaster.forecast(&period, hour.plus(1), expectation);
            projections.push(Projection { nth, window, per_usd: rate.per_usd, before, forecast, limit });
        }
        Ok(projections)
    }

    /// Draws the consequences: a row for each budget, alerts for what has changed. Nothing is told while the series is being learnt.
    pub(super) fn conclude(
        &mut self,
        projections: &[Projection],
        budgets: &[u16],
        rules: &MonitorRules,
        (hour, state, age_h): (u32, State, u32),
        (scope, told): (&str, &mut Told<'_>),
    ) {
        for projection in projections {
            let (Some(pace), Some(at)) = (self.budgets.get_mut(projection.nth), budgets.get(projection.nth)) else { continue };
            let budget = &rules.budgets[*at as usize];
            let recommendation = pace.recommend(&rules.watch, projection, state, age_h);
            let about = About { budget, scope, projection, pace: &*pace, hour, rules };
            let row = about.row(&recommendation, told.revision);
            if state != State::Learning {
                let base = about.alert(&row);
                let reached = budget.projected.iter().filter(|threshold| row.ends[0] >= threshold.amount).count();
                let turns = climb(&mut pace.projected, budget.projected.len(), reached, QUIET_H);
                told.alerts.extend(turns.iter().map(|turn| words::of_projection(budget, &base, turn)));
                let reached = ACTIONS.iter().filter(|action| **action <= recommendation.action).count();
                let turns = climb(&mut pace.actions, ACTIONS.len(), reached, QUIET_H);
                told.alerts.extend(action_alert(&turns, budget, &base, &recommendation, &rules.watch));
            }
            told.rows.push(row);
        }
    }
}

/// Of several steps at once only the hardest action is told; a milder one while another is still recommended is not.
fn action_alert(turns: &[Turn], budget: &Budget, base: &Alert, recommendation: &Recommendation, rules: &WatchRules) -> Option<Alert> {
    let hardest = turns.iter().rev().find(|turn| matches!(turn, Turn::Reached { .. }));
    let over = || turns.iter().any(|turn| matches!(turn, Turn::Left { is_last: true, .. })).then(|| turns.first()).flatten();
    let (nth, repeat, state) = hardest.or_else(over)?.parts();
    // A milder one that is told in the same hour is part of it.
    let state = if turns.iter().any(|turn| matches!(turn, Turn::Reached { is_first: true, .. })) { AlertState::Fired } else { state };
    let percent = rules.actions.percent(ACTIONS[nth]);
    let threshold = budget.limit.checked_mul(i64::from(percent)).map_or(budget.limit, |amount| Money::from_units(amount.units() / 100));
    Some(words::of_action(budget, Alert { threshold, repeat, state, ..base.clone() }, ACTIONS[nth], recommendation))
}

impl BudgetPace {
    fn new(budget: &Budget, since: u32) -> Self {
        BudgetPace {
            budget: budget.name.as_str().into(),
            since,
            end: NEVER,
            is_whole: false,
            spent: Money::ZERO,
            sums: Extras::default(),
            cost: Money::ZERO,
            projected: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// Adds an hour. `None`: a sum does not fit.
    fn add(&mut self, budget: &Budget, rules: &MonitorRules, window: Window, closed: ClosedHour<'_>) -> Option<()> {
        let in_window = |(hour, _): &&(u32, Money)| (window.start..window.end).contains(&hour_start(*hour));
        let late = closed.extras.late.iter().filter(in_window).copied();
        for (hour, amount) in late.chain([(closed.hour, closed.net)]) {
            match rules.rates.version_at(budget.currency, hour_start(hour)) {
                Some(rate) => self.spent = self.spent.checked_add(amount.checked_mul_rate(rate.per_usd)?)?,
                None => self.is_whole &= amount == Money::ZERO,
            }
        }
        self.cost = self.cost.checked_add(closed.net)?;
        let Extras { calls, errors, revenue, .. } = *closed.extras;
        self.sums.add(calls, errors, revenue)
    }

    fn recommend(&self, rules: &WatchRules, projection: &Projection, state: State, age_h: u32) -> Recommendation {
        let inputs = GateInputs {
            revenue: (self.sums.revenue != Money::ZERO).then(|| watched::dollars(self.sums.revenue)),
            cost: watched::dollars(self.cost),
            calls: self.sums.calls,
            calls_within_objective: Some(self.sums.calls.saturating_sub(self.sums.errors)),
            age_h,
        };
        recommend(&projection.forecast, projection.limit, state, rules.gate.score(&inputs), &rules.actions)
    }

    /// A period is over in which something was told: the next one begins anew.
    fn tell_reset(&self, budget: &Budget, scope: &str, rules: &MonitorRules, told: &mut Told<'_>) {
        let Some(window) = (self.end != NEVER).then(|| budget.window.of(&rules.calendar, Bucket::of(self.end.plus(-1)))) else { return };
        let period = budget.window.label(&rules.calendar, window);
        for (what, steps) in [("projected", &self.projected), ("action", &self.actions)] {
            if is_any_on(steps) {
                told.alerts.push(Alert {
                    state: AlertState::PeriodReset,
                    threshold: budget.limit,
                    previous: self.spent,
                    occurred_at: window.end,
                    explanation: words::of_new_period(&budget.name, &period, budget.currency, self.spent),
                    recommendation: words::NOTHING.to_owned(),
                    ..Alert::about(&rule(budget, what), scope, &period, window, budget.currency)
                });
            }
        }
    }
}

/// `llm-daily:projected`. No budget's own name has a colon.
pub(super) fn rule(budget: &Budget, what: &str) -> String {
    format!("{}:{what}", budget.name)
}

/// Everything that a row and the alerts of an hour are made of.
struct About<'a> {
    budget: &'a Budget,
    scope: &'a str,
    projection: &'a Projection,
    pace: &'a BudgetPace,
    hour: u32,
    rules: &'a MonitorRules,
}

impl About<'_> {
    fn row(&self, recommendation: &Recommendation, revision: i64) -> Projected {
        let (budget, forecast) = (self.budget, &self.projection.forecast);
        let here = |usd: f64| watched::estimate(usd * watched::dollars(self.projection.per_usd));
        let is_coming = self.pace.spent < budget.limit;
        Projected {
            budget: budget.name.as_str().into(),
            scope: if budget.per.is_empty() { Box::default() } else { self.scope.into() },
            period: budget.window.label(&self.rules.calendar, self.projection.window).into(),
            window: self.projection.window,
            hour: self.hour,
            currency: budget.currency,
            limit: budget.limit,
            spent: self.pace.spent,
            ends: [forecast.expected, forecast.low, forecast.high, forecast.straight_line].map(here),
            exceeded_at: forecast.exceeded_at.filter(|_| is_coming).and_then(|hour| u32::try_from(hour.0).ok()).map(hour_start),
            recommended: recommendation.action,
            confidence: recommendation.confidence.probability(),
            gate: recommendation.gate,
            state: recommendation.state,
            revision,
        }
    }

    /// What all alerts about the hour have in common.
    fn alert(&self, row: &Projected) -> Alert {
        Alert {
            level: Level::Warning,
            threshold: self.budget.limit,
            current: row.spent,
            previous: self.projection.before,
            occurred_at: hour_end(self.hour),
            projection: Some(row.ends[0]),
            explanation: words::of_forecast(self.budget, row.spent, row.ends, row.exceeded_at, &row.period, self.scope),
            ..Alert::about(&rule(self.budget, "projected"), self.scope, &row.period, row.window, self.budget.currency)
        }
    }
}

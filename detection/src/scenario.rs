//! Growth scenarios over a measured month, and what a user must bring in.
//!
//! Plain arithmetic, no forecast: "if the users grew by so much a month, each used so much more, and a call became so much cheaper". A month's cost is
//! fixed cost + measured variable cost x (1 + growth)^month x intensity x (1 - efficiency). Intensity and efficiency count in full from the first month: the
//! scenario says where things go, not how quickly people change.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Months that a scenario may look ahead; beyond ten years compound growth says nothing.
pub const MOST_MONTHS: u32 = 120;

/// A way to grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// As shown.
    pub name: String,
    /// More users, percent a month.
    pub growth_percent: f64,
    /// Usage of one user over today's.
    pub intensity: f64,
    /// Share of the unit cost that is saved, 0 to 1.
    pub efficiency: f64,
}

impl Scenario {
    /// Conservative, moderate, aggressive.
    pub fn defaults() -> [Scenario; 3] {
        let scenario =
            |name: &str, growth_percent, intensity, efficiency| Scenario { name: name.to_owned(), growth_percent, intensity, efficiency };
        [scenario("conservative", 10.0, 1.2, 0.05), scenario("moderate", 20.0, 1.5, 0.10), scenario("aggressive", 40.0, 2.0, 0.15)]
    }
}

/// What was measured in the base month. Amounts in currency units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredMonth {
    /// Cost that grows with usage.
    pub variable_cost: f64,
    /// Cost that does not.
    pub fixed_cost: f64,
    /// Users that made the usage.
    pub users: u64,
    /// Revenue, if it is reported.
    pub revenue: Option<f64>,
}

/// Why there is no projection.
#[derive(Clone, Debug, PartialEq)]
pub enum ScenarioError {
    /// Nothing per user can be said without users.
    NoUsers,
    /// A number that must be finite and not below a bound is not.
    OutOfRange {
        /// Which one.
        name: &'static str,
        /// What was expected of it.
        expected: &'static str,
        /// What was found.
        found: f64,
    },
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScenarioError::NoUsers => f.write_str("expected at least one user in the base month, found none"),
            ScenarioError::OutOfRange { name, expected, found } => write!(f, "{name}: expected {expected}, found {found}"),
        }
    }
}

impl std::error::Error for ScenarioError {}

/// A month of a scenario. Amounts in currency units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioMonth {
    /// 0 is the measured month, without the scenario's factors.
    pub month: u32,
    /// Users, not rounded.
    pub users: f64,
    /// Fixed and variable cost.
    pub cost: f64,
    /// What every user must bring in for revenue to equal cost.
    pub break_even_per_user: f64,
    /// Revenue at today's revenue per user.
    pub revenue: Option<f64>,
    /// Revenue less cost.
    pub margin: Option<f64>,
}

/// The base month per user.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakEven {
    /// What every user costs, with a share of the fixed cost: the revenue at which the month breaks even.
    pub per_user: f64,
    /// What every user costs without the fixed cost.
    pub variable_per_user: f64,
    /// What every user brings in.
    pub revenue_per_user: Option<f64>,
    /// Users from which on revenue covers the fixed cost too. `None` without revenue, or if a user costs at least what he brings in: more users make it worse.
    pub users: Option<f64>,
}

impl MeasuredMonth {
    fn check(&self) -> Result<f64, ScenarioError> {
        if self.users == 0 {
            return Err(ScenarioError::NoUsers);
        }
        at_least("variable_cost", self.variable_cost, 0.0, "a finite amount of at least 0")?;
        at_least("fixed_cost", self.fixed_cost, 0.0, "a finite amount of at least 0")?;
        if let Some(revenue) = self.revenue {
            at_least("revenue", revenue, 0.0, "a finite amount of at least 0")?;
        }
        Ok(self.users as f64)
    }

    /// Cost and revenue per user, and how many users it takes.
    ///
    /// # Errors
    /// Without users, or with amounts that are negative or no numbers.
    pub fn break_even(&self) -> Result<BreakEven, ScenarioError> {
        let users = self.check()?;
        let variable_per_user = self.variable_cost / users;
        let revenue_per_user = self.revenue.map(|revenue| revenue / users);
        let earned = revenue_per_user.map(|revenue| revenue - variable_per_user).filter(|earned| *earned > 0.0);
        Ok(BreakEven {
            per_user: (self.variable_cost + self.fixed_cost) / users,
            variable_per_user,
            revenue_per_user,
            users: earned.map(|earned| self.fixed_cost / earned),
        })
    }

    /// The measured month and the `months` after it (at most [`MOST_MONTHS`]).
    ///
    /// # Errors
    /// As [`MeasuredMonth::break_even`], and for factors of the scenario that are out of range.
    pub fn project(&self, scenario: &Scenario, months: u32) -> Result<Vec<ScenarioMonth>, ScenarioError> {
        let users_now = self.check()?;
        at_least("growth_percent", scenario.growth_percent, -100.0, "a finite percentage of at least -100")?;
        at_least("intensity", scenario.intensity, 0.0, "a finite factor of at least 0")?;
        at_least("efficiency", scenario.efficiency, 0.0, "a share from 0 to 1")?;
        at_least("efficiency", 1.0 - scenario.efficiency, 0.0, "a share from 0 to 1")?;
        let growth = 1.0 + scenario.growth_percent / 100.0;
        let unit = scenario.intensity * (1.0 - scenario.efficiency);
        let month_of = |month: u32, users: f64| {
            let unit = if month == 0 { 1.0 } else { unit };
            let cost = self.fixed_cost + self.variable_cost * (users / users_now) * unit;
            let revenue = self.revenue.map(|revenue| revenue * (users / users_now));
            ScenarioMonth { month, users, cost, break_even_per_user: cost / users, revenue, margin: revenue.map(|revenue| revenue - cost) }
        };
        let users = std::iter::successors(Some(users_now), |users| Some(users * growth));
        Ok((0..=months.min(MOST_MONTHS)).zip(users).map(|(month, users)| month_of(month, users)).collect())
    }
}

fn at_least(name: &'static str, found: f64, bound: f64, expected: &'static str) -> Result<(), ScenarioError> {
    if found.is_finite() && found >= bound { Ok(()) } else { Err(ScenarioError::OutOfRange { name, expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: MeasuredMonth = MeasuredMonth { variable_cost: 1000.0, fixed_cost: 200.0, users: 100, revenue: Some(1500.0) };

    fn near(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() < 1e-9 * wanted.abs().max(1.0)
    }

    #[test]
    fn the_three_scenarios_after_a_month() {
        // 1000 x 1.1 x 1.2 x 0.95, 1000 x 1.2 x 1.5 x 0.9, 1000 x 1.4 x 2 x 0.85, each with 200.
        for (scenario, cost) in Scenario::defaults().iter().zip([1454.0, 1820.0, 2580.0]) {
            let months = BASE.project(scenario, 1).expect("a projection");
            assert!(near(months[0].cost, 1200.0), "the measured month is as measured");
            assert!(near(months[1].cost, cost), "{} {:?}", scenario.name, months[1]);
            assert!(near(months[1].break_even_per_user * months[1].users, months[1].cost));
        }
    }

    #[test]
    fn a_year_of_aggressive_growth_compounds() {
        let [_, _, aggressive] = Scenario::defaults();
        let months = BASE.project(&aggressive, 12).expect("a projection");
        assert_eq!(months.len(), 13);
        assert!(near(months[12].users, 100.0 * 1.4_f64.powi(12)));
        assert!(near(months[12].margin.expect("revenue"), 15.0 * months[12].users - months[12].cost));
    }

    #[test]
    fn users_break_even_where_their_margin_pays_the_fixed_cost() {
        let even = BASE.break_even().expect("users");
        assert!(near(even.per_user, 12.0) && near(even.variable_per_user, 10.0));
        assert!(even.users.is_some_and(|users| near(users, 40.0)), "{even:?}");
    }

    #[test]
    fn users_who_cost_more_than_they_bring_never_break_even() {
        let loss = MeasuredMonth { revenue: Some(1000.0), ..BASE };
        assert_eq!(loss.break_even().expect("users").users, None);
        assert_eq!(MeasuredMonth { revenue: None, ..BASE }.break_even().expect("users").users, None);
    }

    #[test]
    fn what_cannot_be_projected_is_refused_by_name() {
        assert_eq!(MeasuredMonth { users: 0, ..BASE }.break_even(), Err(ScenarioError::NoUsers));
        let error = MeasuredMonth { fixed_cost: -1.0, ..BASE }.break_even().expect_err("negative");
        assert_eq!(error.to_string(), "fixed_cost: expected a finite amount of at least 0, found -1");
        let [mut scenario, ..] = Scenario::defaults();
        scenario.efficiency = 1.5;
        assert!(BASE.project(&scenario, 1).is_err());
    }
}

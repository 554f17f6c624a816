//! The arithmetic of growth scenarios and of breaking even: exact decimals, no forecast.
//!
//! "If the users grew by so much a month, each used so much more, and a call became so much cheaper": the cost of month m is fixed cost + measured variable cost x
//! (1 + growth)^m x intensity x (1 - efficiency). Intensity and efficiency count in full from the first month: a scenario says where things go, not how quickly people
//! change. Revenue grows with the users, at the measured revenue per user.
//!
//! Factors have 18 decimals and are rounded half to even after every multiplication, amounts once.

use schemas::Money;
use serde::Serialize;

use crate::Amount;

/// Months that a scenario may look ahead; beyond five years compound growth says nothing.
pub const MOST_MONTHS: u32 = 60;

const ONE: Money = Money::from_whole(1);

/// A way to grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// As shown.
    pub name: &'static str,
    /// More users, percent a month.
    pub growth_percent: i64,
    /// Usage of one user over the measured one.
    pub intensity: Amount,
    /// Share of the cost of the same usage that is saved, 0 to 1.
    pub efficiency: Amount,
}

impl Scenario {
    /// Conservative, moderate, aggressive.
    pub fn defaults() -> [Scenario; 3] {
        let hundredths = |count: i128| Amount(Money::from_units(count * 10_i128.pow(16)));
        let scenario = |name, growth_percent, intensity, efficiency| Scenario {
            name,
            growth_percent,
            intensity: hundredths(intensity),
            efficiency: hundredths(efficiency),
        };
        [scenario("conservative", 10, 120, 5), scenario("moderate", 20, 150, 10), scenario("aggressive", 40, 200, 15)]
    }
}

/// What was measured in the base month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Base {
    /// Cost that grows with usage.
    pub variable: Amount,
    /// Cost that does not.
    pub fixed: Amount,
    /// Users that made the usage.
    pub users: u64,
    /// What they brought in; `None`: no event says.
    pub revenue: Option<Amount>,
}

/// A month of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioMonth {
    /// `2026-11`; the first one is the measured month, without the scenario's factors.
    pub month: String,
    /// Users over those of the measured month.
    pub growth: Amount,
    /// Users, not rounded to people; `None` when none are known.
    pub users: Option<Amount>,
    /// Fixed and variable cost.
    pub cost: Amount,
    /// What every user must bring in for revenue to equal cost; `None` without users.
    pub break_even_per_user: Option<Amount>,
    /// Revenue at the measured revenue per user.
    pub revenue: Option<Amount>,
    /// `revenue - cost`
    pub margin: Option<Amount>,
}

/// The measured month per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BreakEven {
    /// What every user costs with his part of the fixed cost: the price a user and month from which on the spend is covered.
    pub price_per_user: Amount,
    /// What every user costs without the fixed cost.
    pub variable_per_user: Amount,
    /// What every user brings in.
    pub revenue_per_user: Option<Amount>,
    /// Users from whom on revenue covers the spend, at the measured revenue per user.
    pub users: UsersNeeded,
}

/// How many users it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsersNeeded {
    /// So many.
    AtLeast(u64),
    /// No event tells revenue.
    RevenueNotKnown,
    /// A user costs at least what he brings in: more users make it worse.
    Never,
}

impl Base {
    /// Cost and revenue per user, and how many users it takes; `None` without users, or beyond what money can be.
    pub(super) fn break_even(&self) -> Option<BreakEven> {
        let earned = self.revenue.map(|revenue| revenue.less(self.variable).0.units());
        let users = match earned {
            None => UsersNeeded::RevenueNotKnown,
            Some(earned) if earned <= 0 => UsersNeeded::Never,
            // From the totals, so that nothing is rounded before the last step: the smallest whole number n with n x earned >= fixed x users.
            Some(earned) => {
                let needed = self.fixed.0.units().checked_mul(i128::from(self.users))?;
                UsersNeeded::AtLeast(u64::try_from(needed / earned + i128::from(needed % earned > 0)).ok()?)
            }
        };
        Some(BreakEven {
            price_per_user: self.variable.plus(self.fixed).per(self.users)?,
            variable_per_user: self.variable.per(self.users)?,
            revenue_per_user: match self.revenue {
                Some(revenue) => Some(revenue.per(self.users)?),
                None => None,
            },
            users,
        })
    }

    /// The measured month and those after it, under the names given; `None` beyond what money can be.
    pub(super) fn project(&self, scenario: &Scenario, names: &[String]) -> Option<Vec<ScenarioMonth>> {
        let growth = ONE.checked_add(Amount(Money::from_whole(scenario.growth_percent)).per(100)?.0)?;
        let unit = scenario.intensity.0.checked_mul_rate(ONE.checked_sub(scenario.efficiency.0)?)?;
        let mut users = ONE;
        let mut months = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                users = users.checked_mul_rate(growth)?;
            }
            months.push(self.month(name, users, if index == 0 { ONE } else { unit })?);
        }
        Some(months)
    }

    fn month(&self, name: &str, growth: Money, unit: Money) -> Option<ScenarioMonth> {
        let variable = self.variable.0.checked_mul_rate(growth.checked_mul_rate(unit)?)?;
        let cost = Amount(self.fixed.0.checked_add(variable)?);
        let users = match self.users {
            0 => None,
            users => Some(growth.checked_mul(i64::try_from(users).ok()?)?),
        };
        let revenue = match self.revenue {
            Some(revenue) => Some(Amount(revenue.0.checked_mul_rate(growth)?)),
            None => None,
        };
        Some(ScenarioMonth {
            month: name.to_owned(),
            growth: Amount(growth),
            users: users.map(Amount),
            cost,
            break_even_per_user: match users {
                Some(users) => Some(Amount(cost.0.checked_div(users)?)),
                None => None,
            },
            revenue,
            margin: revenue.map(|revenue| revenue.less(cost)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    fn base() -> Base {
        Base { variable: amount("1000"), fixed: amount("200"), users: 100, revenue: Some(amount("1500")) }
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|month| format!("m{month}")).collect()
    }

    #[test]
    fn the_three_scenarios_after_a_month() {
        // 1000 x 1.1 x 1.2 x 0.95, 1000 x 1.2 x 1.5 x 0.9, 1000 x 1.4 x 2 x 0.85, each with 200.
        for (scenario, cost) in Scenario::defaults().iter().zip(["1454", "1820", "2580"]) {
            let months = base().project(scenario, &names(2)).unwrap();
            assert_eq!((months[0].cost, months[1].cost), (amount("1200"), amount(cost)), "{}", scenario.name);
            assert_eq!(months[0].break_even_per_user, Some(amount("12")));
        }
    }

    #[test]
    fn a_year_compounds_to_the_last_digit() {
        let [conservative, _, aggressive] = Scenario::defaults();
        let year = base().project(&conservative, &names(13)).unwrap();
        // 1.1^12 has 12 decimals: nothing is rounded.
        assert_eq!(year[12].growth, amount("3.138428376721"));
        assert_eq!(year[12].cost, amount("3777.80834946194"));
        assert_eq!(year[12].margin, Some(amount("4707.6425650815").less(year[12].cost)));
        let five_years = base().project(&aggressive, &names(61)).unwrap();
        assert_eq!(five_years[60].growth.rounded(0), "585709328");
    }

    #[test]
    fn users_break_even_where_their_margin_pays_the_fixed_cost() {
        let even = base().break_even().unwrap();
        assert_eq!((even.price_per_user, even.variable_per_user, even.users), (amount("12"), amount("10"), UsersNeeded::AtLeast(40)));
        // A digit less revenue takes one user more.
        let less = Base { revenue: Some(amount("1499.999999999999999999")), ..base() };
        assert_eq!(less.break_even().unwrap().users, UsersNeeded::AtLeast(41));
        assert_eq!(Base { fixed: amount("0"), ..base() }.break_even().unwrap().users, UsersNeeded::AtLeast(0));
    }

    #[test]
    fn users_who_cost_what_they_bring_never_break_even() {
        assert_eq!(Base { revenue: Some(amount("1000")), ..base() }.break_even().unwrap().users, UsersNeeded::Never);
        assert_eq!(Base { revenue: None, ..base() }.break_even().unwrap().users, UsersNeeded::RevenueNotKnown);
    }

    #[test]
    fn without_users_there_is_a_cost_and_nothing_per_user() {
        let nobody = Base { users: 0, ..base() };
        assert_eq!(nobody.break_even(), None);
        let months = nobody.project(&Scenario::defaults()[0], &names(2)).unwrap();
        assert_eq!((months[1].cost, months[1].users, months[1].break_even_per_user), (amount("1454"), None, None));
    }

    #[test]
    fn what_does_not_fit_is_no_number() {
        let large = Base { variable: amount("10000000000000000000"), ..base() };
        assert_eq!(large.project(&Scenario::defaults()[2], &names(61)), None);
    }
}

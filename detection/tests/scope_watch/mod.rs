//! Rhythm, forecast and recommendation of one budgeted scope, hour by hour: the parts put together as the monitor does
//! (`processor/src/monitor/watch`), for tests and benches of `detection` alone.
#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use detection::action::{ActionLimits, GateInputs, GateSettings, Recommendation, recommend};
use detection::forecast::{Forecast, Forecaster, Period};
use detection::rhythm::{Hour, HourIsClosed, HourSpend, Judgement, Limits, Rhythm};
use serde::{Deserialize, Serialize};

/// All settings of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSettings {
    /// Of the states.
    pub rhythm: Limits,
    /// Of the actions.
    pub action: ActionLimits,
    /// Of the gate score.
    pub gate: GateSettings,
}

/// The state of one scope; kept in the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScopeWatch {
    rhythm: Rhythm,
    forecaster: Forecaster,
}

/// What is said of a scope after an hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScopeReport {
    /// Coherence, phase, entropy, state.
    pub judgement: Judgement,
    /// Where the period will end; `None` without a budget.
    pub forecast: Option<Forecast>,
    /// What to do; `None` without a budget.
    pub recommendation: Option<Recommendation>,
}

impl ScopeWatch {
    /// Takes in a closed hour and judges. `period` is the budget's running period with what was spent in it up to and with this hour; hours left out since the
    /// last one had no spend. The age in `gate` is set from the scope's first spend.
    ///
    /// # Errors
    /// If the hour is not after the last one. Nothing has changed then.
    pub fn close_hour(
        &mut self,
        hour: Hour,
        spend: HourSpend,
        period: Option<&Period>,
        gate: &GateInputs,
        settings: &WatchSettings,
    ) -> Result<ScopeReport, HourIsClosed> {
        self.rhythm.close_hour(hour, spend, &settings.rhythm)?;
        let expectation = self.rhythm.expectation();
        if self.rhythm.closed().is_some() {
            self.forecaster.close_hour(hour, spend.amount(), expectation);
        }
        let forecast = period.map(|period| self.forecaster.forecast(period, hour.plus(1), expectation));
        let age_h = expectation.hours();
        let pace = forecast.zip(period).map(|(forecast, period)| forecast.expected / period.budget());
        let judgement = self.rhythm.judge(pace, &settings.rhythm);
        let recommendation = forecast.zip(period).map(|(forecast, period)| {
            let score = settings.gate.score(&GateInputs { age_h, ..*gate });
            recommend(&forecast, period.budget(), judgement.state, score, &settings.action)
        });
        Ok(ScopeReport { judgement, forecast, recommendation })
    }

    /// The scope's rhythm, for its expectations.
    pub fn rhythm(&self) -> &Rhythm {
        &self.rhythm
    }

    /// Another period of the same scope: a day beside the month.
    pub fn forecast(&self, period: &Period, next: Hour) -> Forecast {
        self.forecaster.forecast(period, next, self.rhythm.expectation())
    }
}

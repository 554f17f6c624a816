//! All that is watched of one budgeted scope: rhythm, forecast and recommendation, hour by hour.
//!
//! ```
//! use detection::action::{Action, GateInputs, ScopeWatch, WatchSettings};
//! use detection::forecast::Period;
//! use detection::rhythm::{Hour, HourSpend};
//!
//! let settings = WatchSettings::default();
//! let mut watch = ScopeWatch::default();
//! let mut action = None;
//! for hour in 0..720 {
//!     let spent = 2.0 * (hour + 1) as f64;
//!     let month = Period::new(Hour(0), Hour(744), spent, 1_200.0)?;
//!     let report = watch.close_hour(Hour(hour), HourSpend::new(2.0), Some(&month), &GateInputs::default(), &settings)?;
//!     action = report.recommendation.map(|recommendation| recommendation.action);
//! }
//! // 1,488 of 1,200 are coming, steadily.
//! assert_eq!(action, Some(Action::ScaleDown));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{ActionLimits, GateInputs, GateSettings, Recommendation, recommend};
use crate::forecast::{Forecast, Forecaster, Period};
use crate::rhythm::{Hour, HourIsClosed, HourSpend, Judgement, Limits, Rhythm};

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

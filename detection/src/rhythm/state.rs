//! The five states, their limits and the hysteresis between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How steady a scope's spend is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Too little was seen to judge.
    Learning,
    /// Nothing was ever spent, or nothing for long.
    #[default]
    Idle,
    /// Spend comes as expected.
    Resonant,
    /// It drifts: something is off, but it can be named.
    Dissonant,
    /// It cannot be predicted.
    Chaotic,
}

impl State {
    /// 2, 1, 0 for resonant, dissonant, chaotic; `None` for those that are no judgement.
    pub fn code(self) -> Option<u8> {
        match self {
            State::Learning | State::Idle => None,
            State::Resonant => Some(2),
            State::Dissonant => Some(1),
            State::Chaotic => Some(0),
        }
    }

    /// As written in tables and alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Learning => "LEARNING",
            State::Idle => "IDLE",
            State::Resonant => "RESONANT",
            State::Dissonant => "DISSONANT",
            State::Chaotic => "CHAOTIC",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What makes a state. The defaults are the product's; `reference` leaves out what the project added to the first definition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Coherence is good from here on.
    pub good_coherence: f64,
    /// Phase is good from here on.
    pub good_phase: f64,
    /// Entropy is good up to here.
    pub good_entropy: f64,
    /// Coherence below this is chaos.
    pub chaotic_coherence: f64,
    /// Entropy above this is chaos.
    pub chaotic_entropy: f64,
    /// What a measure must be beyond its limit for a state to be left.
    pub margin: f64,
    /// Hours in a row until a worse state is believed.
    pub worse_after_h: u8,
    /// Hours in a row until a better state is believed.
    pub better_after_h: u8,
    /// Hours after the first spend until anything is judged.
    pub learning_h: u32,
    /// Hours without spend until a scope is idle.
    pub idle_after_h: u32,
    /// Fewer separate deviations than this (half-life 4 days) are no chaos, unless they are of unheard-of size: a moved job is a moved job.
    pub chaotic_episodes: f64,
    /// From this share of the money that is beyond all known sizes, few deviations are chaos too: a runaway is no moved job.
    pub chaotic_unprecedented: f64,
    /// In coherence and in the week's timing an hour counts for at most its expectation and this many average hours: a spike is a spike, whatever its size.
    pub heaviest_hour: f64,
    /// Whether a scope far below its budget is off its pace too (the definition), or only one above it.
    pub below_budget_is_off_pace: bool,
    /// A series with a smaller share of active hours (half-life 7 days) is sparse; it stays so up to one and a half times the share.
    pub sparse_share: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            good_coherence: 0.7,
            good_phase: 0.8,
            good_entropy: 0.5,
            chaotic_coherence: 0.45,
            chaotic_entropy: 0.75,
            margin: 0.05,
            worse_after_h: 3,
            better_after_h: 12,
            learning_h: 72,
            idle_after_h: 192,
            chaotic_episodes: 3.5,
            chaotic_unprecedented: 0.1,
            heaviest_hour: 54.0,
            below_budget_is_off_pace: true,
            sparse_share: 1.0 / 12.0,
        }
    }
}

impl Limits {
    /// The first definition: every chaos counts, hours weigh what they weigh, no series is sparse. For comparisons.
    pub fn reference() -> Limits {
        Limits { chaotic_episodes: 0.0, heaviest_hour: f64::INFINITY, sparse_share: 0.0, ..Limits::default() }
    }
}

/// The measures that a state is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measures {
    pub(crate) coherence: f64,
    pub(crate) phase: f64,
    pub(crate) entropy: f64,
    /// `None`: deviations are not counted, any may be chaos.
    pub(crate) episodes: Option<f64>,
    /// Share of the money that is beyond all known sizes.
    pub(crate) unprecedented: f64,
}

impl Measures {
    /// The state that they say, seen from the present one.
    fn state(&self, from: State, limits: &Limits) -> State {
        // Who is in a state may be `margin` beyond its limit.
        let slack_if = |present: State| if from == present { limits.margin } else { 0.0 };
        let (resonant, chaotic) = (slack_if(State::Resonant), slack_if(State::Chaotic));
        let good = [
            self.coherence >= limits.good_coherence - resonant,
            self.phase >= limits.good_phase - resonant,
            self.entropy <= limits.good_entropy + resonant,
        ];
        if good == [true; 3] {
            return State::Resonant;
        }
        let unpredictable =
            self.coherence < limits.chaotic_coherence + chaotic || good == [false; 3] || self.entropy > limits.chaotic_entropy - chaotic;
        let few = self.episodes.is_some_and(|episodes| episodes < limits.chaotic_episodes * (1.0 - chaotic));
        let unheard_of = self.unprecedented >= limits.chaotic_unprecedented;
        if unpredictable && (!few || unheard_of) { State::Chaotic } else { State::Dissonant }
    }
}

/// The state, and the one that it is about to become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hysteresis {
    state: State,
    pending: Option<Pending>,
}

/// A state that the measures have said for some hours, but not for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The state to come.
    pub state: State,
    /// Hours in a row.
    pub hours: u8,
}

impl Hysteresis {
    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn pending(&self) -> Option<Pending> {
        self.pending
    }

    /// Enters a state at once.
    pub(crate) fn enter(&mut self, state: State) {
        *self = Hysteresis { state, pending: None };
    }

    pub(crate) fn judge(&mut self, measures: &Measures, limits: &Limits) {
        let said = measures.state(self.state, limits);
        let (Some(present), Some(next)) = (self.state.code(), said.code()) else { return self.enter(said) };
        if said == self.state {
            self.pending = None;
            return;
        }
        let hours = match self.pending {
            Some(pending) if pending.state == said => pending.hours.saturating_add(1),
            _ => 1,
        };
        let needed = if next < present { limits.worse_after_h } else { limits.better_after_h };
        if hours >= needed { self.enter(said) } else { self.pending = Some(Pending { state: said, hours }) }
    }
}

#[cfg(test)]
mod tests;

//! The rows that are published: what readers of ClickHouse see, before any encoding.
//!
//! Every row is an absolute value under a stable key, with a revision where it can change: writing it again is harmless, and
//! of two versions the larger revision is right. Their binary form is in the `sinks` crate.

use serde::{Deserialize, Serialize};

use crate::{Accounts, Currency, Event, Measures, Money, Timestamp};

/// Length of a rollup's window. Quarter hours and hours are UTC's; days and months are those of the business time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// 15 minutes.
    QuarterHour,
    /// 60 minutes.
    Hour,
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

impl Granularity {
    /// All of them, shortest first.
    pub const ALL: [Granularity; 4] = [Granularity::QuarterHour, Granularity::Hour, Granularity::Day, Granularity::Month];

    /// Its stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Granularity::QuarterHour => "quarter_hour",
            Granularity::Hour => "hour",
            Granularity::Day => "day",
            Granularity::Month => "month",
        }
    }

    /// What the names of its views begin with: `hourly` of `hourly_by_model`.
    pub const fn adverb(self) -> &'static str {
        match self {
            Granularity::QuarterHour => "quarter_hour",
            Granularity::Hour => "hourly",
            Granularity::Day => "daily",
            Granularity::Month => "monthly",
        }
    }
}

/// The value of one window of one series. Key: granularity, set, window, values, generation. Schema: `avro/rollup_v1.avsc`.
///
/// `values` may be any slice of texts: `&[&str]`, `&[String]`, `&[Arc<str>]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupRow<'a, V = &'a str> {
    /// Name of the grouping set.
    pub set: &'a str,
    /// How long the window is.
    pub granularity: Granularity,
    /// Its first instant.
    pub window_start: Timestamp,
    /// The series' values in the order of the set's key; empty text = not given.
    pub values: &'a [V],
    /// Offset at which this row was opened. Rows of several generations of one window are summed by the reader's view.
    pub generation: i64,
    /// Offset in the partials topic after the block that last changed it.
    pub revision: i64,
    /// Have all input partitions closed the window?
    pub is_final: bool,
    /// The value.
    pub measures: Measures,
}

/// How far one shard is with one input partition. Key: topic, partition, shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountsRow<'a> {
    /// Input topic.
    pub topic: &'a str,
    /// Input partition.
    pub partition: i32,
    /// Partition of the partials topic that has come this far.
    pub shard: i32,
    /// How many of them there are: readers see a partition's accounts when all have reported.
    pub shards: i32,
    /// What it has come to.
    pub accounts: Accounts,
    /// Offset in the partials topic after the block that said so.
    pub revision: i64,
}

/// Where an event's cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostStatus {
    /// From the price book.
    Priced,
    /// The producer's own amount for a call.
    Reported,
    /// Not known: the cost is 0 and the event shows as unpriced.
    Unpriced,
    /// The amount of a `cost` or `adjustment` event.
    Amount,
}

impl CostStatus {
    /// Its stored name.
    pub const fn name(self) -> &'static str {
        match self {
            CostStatus::Priced => "priced",
            CostStatus::Reported => "reported",
            CostStatus::Unpriced => "unpriced",
            CostStatus::Amount => "amount",
        }
    }
}

/// A counted event with its cost. Key: topic, partition, offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsageEventRow<'a> {
    /// Input topic.
    pub topic: &'a str,
    /// Input partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The event.
    pub event: &'a Event<'a>,
    /// US dollars; zero when unpriced.
    pub cost: Money,
    /// Where the cost comes from.
    pub cost_status: CostStatus,
    /// US dollars; zero when not given or without a rate.
    pub revenue: Money,
    /// Which version of the price book priced it; empty when none did.
    pub price_version: &'a str,
}

/// Where a budget stands in one scope and period. Key: budget, scope, `period_start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetRow<'a> {
    /// Name of the budget.
    pub budget: &'a str,
    /// For whom: empty, or the values of a template (`user_id=u-1`).
    pub scope: &'a str,
    /// The period as the budget's alerts name it (`2026-11`, `2026-11-22`, ...).
    pub period: &'a str,
    /// Its first instant.
    pub period_start: Timestamp,
    /// Its first instant no longer in it.
    pub period_end: Timestamp,
    /// Of the amounts below.
    pub currency: Currency,
    /// So far.
    pub spent: Money,
    /// What may be spent.
    pub limit: Money,
    /// Expected at the end of the period; `None`: not known yet.
    pub projection: Option<Money>,
    /// The highest level that is reached now: empty, or one of an alert's levels.
    pub level: &'a str,
    /// Offset in the partials topic after the block that last changed it.
    pub revision: i64,
}

/// The rhythm of a scope after an hour. Key: scope, hour; a repeat is identical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RhythmRow<'a> {
    /// A series, as alerts name it.
    pub scope: &'a str,
    /// The hour's first instant.
    pub hour: Timestamp,
    /// What it has spent in the hour, US dollars.
    pub actual: Money,
    /// What was expected of the hour before it began, US dollars to six decimals.
    pub expected: Money,
    /// Share of the money that came as expected, 0 to 1; `None`: not known yet, here and below.
    pub coherence: Option<f64>,
    /// Is it at its usual time? 0 to 1.
    pub phase: Option<f64>,
    /// How unpredictable its deviations are, 0 to 1.
    pub entropy: Option<f64>,
    /// RESONANT, DISSONANT, CHAOTIC, LEARNING or IDLE.
    pub state: &'a str,
    /// 2, 1 and 0; `None` for the last two.
    pub state_code: Option<i8>,
    /// Offset in the partials topic after the block that closed the hour.
    pub revision: i64,
}

/// A closed hour of a watched series in which a rule about hours had something to tell, and was not over before. Key: rule, scope, since, hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnomalyRow<'a> {
    /// `spike`, `hourly-mean` or `hour-above`.
    pub rule: &'a str,
    /// The series, as in [`RhythmRow`].
    pub scope: &'a str,
    /// Start of the hour in which the rule fired.
    pub since: Timestamp,
    /// Start of this hour.
    pub hour: Timestamp,
    /// How grave it has become so far: `warning` or `critical`.
    pub level: &'a str,
    /// What the hour cost, US dollars.
    pub actual: Money,
    /// What the rule expected of it.
    pub expected: Money,
    /// Is the rule over with this hour?
    pub is_over: bool,
    /// Offset after the record that closed the hour.
    pub revision: i64,
}

/// Where a budget will end, as it looks after a closed hour. Key: budget, scope, hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceRow<'a> {
    /// The budget's name.
    pub budget: &'a str,
    /// Whose budget, as in [`BudgetRow`].
    pub scope: &'a str,
    /// The period, for people.
    pub period: &'a str,
    /// Its first instant.
    pub period_start: Timestamp,
    /// Its first instant no longer in it.
    pub period_end: Timestamp,
    /// Start of the closed hour.
    pub hour: Timestamp,
    /// Of every amount here.
    pub currency: Currency,
    /// What may be spent.
    pub limit: Money,
    /// What was spent and watched up to the end of the hour.
    pub spent: Money,
    /// Expected spend at the end of the period, to six decimals, as all that follow.
    pub forecast: Money,
    /// One outcome in ten ends below.
    pub low: Money,
    /// One outcome in ten ends above.
    pub high: Money,
    /// What was spent, drawn on at its mean rate so far.
    pub straight_line: Money,
    /// Start of the hour in which the limit will be reached if all comes as expected; `None`: not in this period, or reached already.
    pub exceeded_at: Option<Timestamp>,
    /// NONE, `SCALE_DOWN`, ROLLBACK or `EMERGENCY_STOP`.
    pub action: &'a str,
    /// Probability that the action's condition on the money holds at the end of the period, 0 to 1.
    pub confidence: f64,
    /// 0 to 100; `None`: too little is known, as below.
    pub gate_score: Option<f64>,
    /// Return on the spend of the period: (revenue - cost) / cost.
    pub roi: Option<f64>,
    /// Share of the period's calls that succeeded.
    pub slo: Option<f64>,
    /// Days since the scope's first spend.
    pub age_days: Option<f64>,
    /// State of the scope's rhythm.
    pub state: &'a str,
    /// Offset in the partials topic after the block that closed the hour.
    pub revision: i64,
}

/// An alert event. Key: its deterministic id; a repeat is identical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertRow<'a> {
    /// Deterministic id.
    pub id: &'a str,
    /// Which rule.
    pub rule: &'a str,
    /// About whom.
    pub scope: &'a str,
    /// About when.
    pub period: &'a str,
    /// info, warning, critical, emergency.
    pub level: &'a str,
    /// fired, escalated, resolved, `period_reset`.
    pub state: &'a str,
    /// The limit that was passed.
    pub threshold: Option<Money>,
    /// The value that passed it.
    pub current: Option<Money>,
    /// The value before.
    pub previous: Option<Money>,
    /// Of the three; `None` when they are no money.
    pub currency: Option<Currency>,
    /// Event time.
    pub occurred_at: Timestamp,
    /// The whole of the alert's data as JSON.
    pub data: &'a str,
    /// Why it was not sent to the topic; empty: it was.
    pub silenced: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_are_those_of_serde() {
        for granularity in Granularity::ALL {
            assert_eq!(serde_json::to_string(&granularity).unwrap(), format!("\"{}\"", granularity.name()));
        }
        for status in [CostStatus::Priced, CostStatus::Reported, CostStatus::Unpriced, CostStatus::Amount] {
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{}\"", status.name()));
        }
    }

    #[test]
    fn the_schema_file_is_valid_and_names_every_measure() {
        let text = include_str!("../avro/rollup_v1.avsc");
        assert!(apache_avro::Schema::parse_str(text).is_ok());
        let json = serde_json::to_string(&Measures::EMPTY).unwrap();
        // Every second piece between quotation marks is a key: the values are numbers.
        for name in json.split('"').skip(1).step_by(2) {
            assert!(text.contains(&format!("\"name\": \"{name}\"")), "{name}");
        }
    }
}

//! Which spend a question is about: a grouping set, filters on dimensions, a currency; and the tables that answer it.
//!
//! US dollars come from the plain views (`hourly_by_team`), other currencies from `spend(...)`, which knows two dimensions. A filter on a dimension that
//! no grouping set has together with the asked ones needs the events themselves (`source=events`).

use schemas::rollup::Granularity;
use schemas::{Dimension, GroupingSet};

use crate::parameters::Parameters;
use crate::problem::{BAD_COMBINATION, Problem};
use crate::reader::Question;

/// Dimensions that the view `spend` has columns for.
const SPEND_COLUMNS: [&str; 2] = ["value", "second_value"];

/// The names of all parameters that choose a slice, but `by`.
pub(crate) fn parameter_names() -> impl Iterator<Item = &'static str> {
    ["currency", "source"].into_iter().chain(Dimension::ALL.map(Dimension::name))
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    database: String,
    /// The dimensions that the answer is grouped by.
    pub(crate) dimensions: Vec<&'static str>,
    set: String,
    set_dimensions: Vec<&'static str>,
    filters: Vec<(&'static str, String)>,
    pub(crate) currency: String,
    is_from_events: bool,
}

/// What the program knows to choose tables by.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) database: String,
    /// Those that have views.
    pub(crate) sets: Vec<GroupingSet>,
    /// Is there a row per event?
    pub(crate) has_events: bool,
}

fn names(key: &[Dimension]) -> Vec<&'static str> {
    key.iter().map(|dimension| dimension.name()).collect()
}

impl Tables {
    /// The slice grouped by the set that the parameter `by` names.
    pub(crate) fn grouped(&self, parameters: &Parameters) -> Result<Slice, Problem> {
        let by = parameters.text("by").unwrap_or("total");
        let Some(set) = self.sets.iter().find(|set| set.name == by) else {
            let known = self.sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Problem::bad_value("by", by, format_args!("a grouping set: {known}")));
        };
        self.slice(parameters, names(&set.key))
    }

    /// The slice that the filters make, not grouped.
    pub(crate) fn ungrouped(&self, parameters: &Parameters) -> Result<Slice, Problem> {
        self.slice(parameters, Vec::new())
    }

    fn slice(&self, parameters: &Parameters, dimensions: Vec<&'static str>) -> Result<Slice, Problem> {
        let mut filters = Vec::new();
        for dimension in Dimension::ALL {
            if let Some(value) = parameters.text(dimension.name()) {
                filters.push((dimension.name(), value.to_owned()));
            }
        }
        let currency = parameters.text("currency").unwrap_or("USD").to_ascii_uppercase();
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Problem::bad_value("currency", &currency, "a code of three letters such as USD"));
        }
        let is_from_events = parameters.choice("source", &[("rollups", false), ("events", true)], false)?;
        let mut slice = Slice {
            database: self.database.clone(),
            set: String::new(),
            set_dimensions: dimensions.clone(),
            dimensions,
            filters,
            currency,
            is_from_events,
        };
        if is_from_events {
            self.check_events(&slice)?
        } else {
            self.choose_set(&mut slice)?
        }
        Ok(slice)
    }

    fn check_events(&self, slice: &Slice) -> Result<(), Problem> {
        if !self.has_events {
            let remedy = "clickhouse.usage_events = true keeps a row per event from then on; or filter on dimensions of one grouping set";
            return Err(Problem::new(BAD_COMBINATION, "there are no rows per event", remedy).blaming("source", "events"));
        }
        if slice.currency != "USD" {
            let detail = "amounts of events are in USD";
            return Err(Problem::new(BAD_COMBINATION, detail, "currency=USD, or source=rollups").blaming("currency", &slice.currency));
        }
        Ok(())
    }

    /// The smallest set that has every dimension of the groups and filters. The groups' own set is the smallest without filters.
    fn choose_set(&self, slice: &mut Slice) -> Result<(), Problem> {
        let wanted = |set: &GroupingSet| {
            let key = names(&set.key);
            slice.dimensions.iter().all(|name| key.contains(name)) && slice.filters.iter().all(|(name, _)| key.contains(name))
        };
        let Some(set) = self.sets.iter().filter(|set| wanted(set)).min_by_key(|set| set.key.len()) else {
            let detail = "no grouping set has all of these dimensions together";
            let remedy = "leave out a filter; or source=events, which reads the events themselves; or add a [[grouping_set]]";
            let blamed = slice.filters.first().map_or(("by", String::new()), |(name, value)| (*name, value.clone()));
            return Err(Problem::new(BAD_COMBINATION, detail, remedy).blaming(blamed.0, &blamed.1));
        };
        if slice.currency != "USD" && set.key.len() > SPEND_COLUMNS.len() {
            let detail = format!("the grouping set {} has more dimensions than the view `spend`, which converts", set.name);
            return Err(Problem::new(BAD_COMBINATION, detail, "currency=USD").blaming("currency", &slice.currency));
        }
        slice.set.clone_from(&set.name);
        slice.set_dimensions = names(&set.key);
        Ok(())
    }
}

impl Slice {
    /// Do its amounts need a rate, and may so be unknown?
    pub(crate) fn is_converted(&self) -> bool {
        self.currency != "USD"
    }

    pub(crate) fn is_from_events(&self) -> bool {
        self.is_from_events
    }

    /// As budgets, alerts and rhythm write it, when it is a scope that they may know.
    pub(crate) fn scope(&self) -> Option<String> {
        if self.is_from_events || self.filters.len() != self.set_dimensions.len() {
            return None;
        }
        let value_of = |name: &str| self.filters.iter().find(|(filter, _)| *filter == name).map(|(_, value)| value.as_str());
        let pairs: Option<Vec<(Dimension, &str)>> =
            self.set_dimensions.iter().map(|name| Some((Dimension::from_name(name)?, value_of(name)?))).collect();
        Some(schemas::alert::scope_text(pairs?))
    }

    /// A `FROM` clause and its `WHERE`, without a condition on time: `window_start`, the dimensions, and the measures of each window.
    pub(crate) fn from(&self, granularity: Granularity, question: &mut Question) -> String {
        let database = &self.database;
        let mut text = if self.is_from_events {
            format!("FROM (\n    SELECT *, {EVENT_MEASURES}\n    FROM {database}.usage_events\n) AS w\n")
        } else if self.is_converted() {
            question.set("currency", &self.currency);
            let columns = self.set_dimensions.iter().zip(SPEND_COLUMNS).map(|(name, column)| format!(", {column} AS {name}"));
            format!(
                "FROM (\n    SELECT *{}\n    FROM {database}.spend(granularity = '{}', set = '{}', currency = {{currency:String}})\n\
                 ) AS w\n",
                columns.collect::<String>(),
                granularity.name(),
                self.set
            )
        } else if self.set == "total" {
            format!("FROM {database}.{}_total AS w\n", granularity.adverb())
        } else {
            format!("FROM {database}.{}_by_{} AS w\n", granularity.adverb(), self.set)
        };
        text += "WHERE w.window_start >= {from:DateTime('UTC')} AND w.window_start < {to:DateTime('UTC')}";
        for (name, value) in &self.filters {
            question.set(*name, value);
            text += &format!(" AND w.{name} = {{{name}:String}}");
        }
        text
    }

    /// The sum of an amount over the windows that meet a condition: unknown when one of them has no rate.
    pub(crate) fn sum_if(&self, amount: &str, condition: &str) -> String {
        if self.is_converted() {
            format!(
                "if(countIf(w.{amount} IS NULL AND {condition}) > 0, NULL, ifNull(sumIf(w.{amount}, {condition}), toDecimal128(0, 18)))"
            )
        } else {
            format!("sumIf(w.{amount}, {condition})")
        }
    }

    /// The sum of an amount.
    pub(crate) fn sum(&self, amount: &str) -> String {
        if self.is_converted() { format!("if(countIf(w.{amount} IS NULL) > 0, NULL, sum(w.{amount}))") } else { format!("sum(w.{amount})") }
    }

    /// An amount to sort by: what is not known comes after all that is.
    pub(crate) fn sortable(&self, column: &str) -> String {
        if self.is_converted() { format!("ifNull({column}, toDecimal128('-99999999999999999999', 18))") } else { column.to_owned() }
    }
}

/// One event as a window of its own, a quarter hour long. The shortest windows are these: longer ones are sums of them.
const EVENT_MEASURES: &str = "toStartOfFifteenMinutes(toDateTime(occurred_at, 'UTC')) AS window_start, 1 AS events, kind = 'llm' AS calls,
        kind = 'llm' AND status NOT IN ('', 'ok') AS errors, cost_status = 'unpriced' AS unpriced_events,
        cache_write_5m_tokens + cache_write_1h_tokens AS cache_write_tokens, occurred_at AS last_event_at, false AS is_final";

/// What every answer about spend counts beside the amounts. Token counts may be beyond 64 bits: they are text.
pub(crate) const COUNTS: &str = "sum(w.events) AS events,
    sum(w.calls) AS calls,
    sum(w.errors) AS errors,
    sum(w.unpriced_events) AS unpriced_events,
    toString(sum(w.uncached_input_tokens)) AS uncached_input_tokens,
    toString(sum(w.cache_read_tokens)) AS cache_read_tokens,
    toString(sum(w.cache_write_tokens)) AS cache_write_tokens,
    toString(sum(w.output_tokens)) AS output_tokens,
    toString(sum(w.reasoning_tokens)) AS reasoning_tokens";

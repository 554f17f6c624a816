//! `/api/v1/summary`: this hour so far, today and this month, each beside the one before.

use schemas::rollup::Granularity;
use serde_json::{Value, json};

use crate::Console;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::reader::{Question, Row};
use crate::time;

pub(crate) const SUMMARY: &[&str] = &["zone"];

const PERIODS: [(&str, Granularity); 3] = [("hour", Granularity::Hour), ("day", Granularity::Day), ("month", Granularity::Month)];

impl Console {
    pub(crate) async fn summary(&self, query: Option<&str>) -> Result<Value, Problem> {
        let parameters = Parameters::read("/api/v1/summary", query, SUMMARY.iter().copied().chain(crate::slice::parameter_names()))?;
        let slice = self.tables.ungrouped(&parameters)?;
        let zone = self.zone(&parameters)?;
        let now = time::now();

        let mut question = Question::default();
        let mut columns = Vec::new();
        let mut periods = Vec::new();
        for (name, granularity) in PERIODS {
            let start = zone.floor(granularity, now);
            let (end, previous) = (zone.after(granularity, start, 1), zone.after(granularity, start, -1));
            // As far into the previous one as the running one is, by whole quarter hours, the running one included.
            let by_now = (previous + (now - start).div_euclid(900) * 900 + 900).min(start);
            for (label, second) in [("start", start), ("end", end), ("previous", previous), ("by_now", by_now)] {
                question.set(format!("{name}_{label}"), time::parameter(second));
            }
            let between = |first: &str, last: &str| {
                format!("w.window_start >= {{{name}_{first}:DateTime('UTC')}} AND w.window_start < {{{name}_{last}:DateTime('UTC')}}")
            };
            for (column, first, last) in [("spent", "start", "end"), ("previous", "previous", "start"), ("by_now", "previous", "by_now")] {
                columns.push(format!("toString({}) AS {name}_{column}", slice.sum_if("cost", &between(first, last))));
            }
            columns.push(format!("sumIf(w.calls, {}) AS {name}_calls", between("start", "end")));
            columns.push(format!("sumIf(w.unpriced_events, {}) AS {name}_unpriced_events", between("start", "end")));
            periods.push((name, start, end, previous, by_now));
        }
        let (earliest, latest) = periods.iter().fold((now, now), |(from, to), period| (from.min(period.3), to.max(period.2)));
        let from = slice.from(Granularity::QuarterHour, &mut question);
        question.set("from", time::parameter(earliest));
        question.set("to", time::parameter(latest));
        question.sql = format!(
            "SELECT\n    {},\n    sum(w.events) AS events,\n    if(events = 0, NULL, max(w.last_event_at)) AS last_event_at\n{from}",
            columns.join(",\n    ")
        );
        // The view's month is the business month.
        let scope = slice.scope().filter(|_| zone.name == self.business_zone.name);
        let forecast = scope.map(|scope| self.forecast(&scope, &slice.currency));
        let ask_forecast = async {
            match &forecast {
                Some(forecast) => self.reader.rows(forecast).await,
                None => Ok(Vec::new()),
            }
        };
        let (row, forecasts) = tokio::try_join!(self.reader.row(&question), ask_forecast)?;
        let mut queries = vec![question.shown("summary")];
        queries.extend(forecast.iter().map(|forecast| forecast.shown("month_forecast")));
        let forecast = forecasts.into_iter().next();
        let value = |name: String| row.get(&name).cloned().unwrap_or(Value::Null);
        let shown = periods.iter().map(|(name, start, end, previous, by_now)| {
            json!({
                "period": name, "from": time::rfc3339(*start), "to": time::rfc3339(*end),
                "spent": value(format!("{name}_spent")), "calls": value(format!("{name}_calls")),
                "unpriced_events": value(format!("{name}_unpriced_events")),
                "previous": {
                    "from": time::rfc3339(*previous), "spent": value(format!("{name}_previous")),
                    "by_now": time::rfc3339(*by_now), "spent_by_now": value(format!("{name}_by_now")),
                },
            })
        });
        Ok(json!({
            "as_of": time::rfc3339(now), "zone": zone.name, "currency": slice.currency, "scope": slice.scope(),
            "periods": shown.collect::<Vec<_>>(), "month_forecast": forecast, "events": value("events".to_owned()),
            "last_event_at": value("last_event_at".to_owned()), "queries": queries,
        }))
    }

    fn forecast(&self, scope: &str, currency: &str) -> Question {
        let mut question = Question::default();
        question.set("scope", scope);
        question.set("currency", currency);
        question.sql = format!(
            "SELECT days_known, remaining_days, toString(spent) AS spent, toString(`projection`) AS projection,\n\
             toString(projection_low) AS projection_low, toString(projection_high) AS projection_high\n\
             FROM {}.month_forecast(scope = {{scope:String}}, currency = {{currency:String}})",
            self.tables.database
        );
        question
    }

    /// `/api/v1/catalog`: what can be chosen.
    pub(crate) async fn catalog(&self, query: Option<&str>) -> Result<Value, Problem> {
        Parameters::read("/api/v1/catalog", query, [])?;
        let currencies = "SELECT DISTINCT currency FROM {database}.exchange_rates ORDER BY currency != 'USD', currency LIMIT 200";
        let question = Question::of(currencies.replace("{database}", &self.tables.database));
        let currencies: Vec<Value> =
            self.reader.rows(&question).await?.into_iter().filter_map(|mut row: Row| row.remove("currency")).collect();
        let sets = self
            .tables
            .sets
            .iter()
            .map(|set| json!({ "name": set.name, "dimensions": set.key.iter().map(|dimension| dimension.name()).collect::<Vec<_>>() }));
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"), "zone": self.business_zone.name, "sets": sets.collect::<Vec<_>>(), "currencies": currencies,
            "has_events": self.tables.has_events, "queries": [question.shown("currencies")],
        }))
    }
}

//! `/api/v1/spend`: windows of time by the values of a grouping set. `/api/v1/series`: those values over a whole range.

use schemas::rollup::Granularity;
use serde_json::{Value, json};

use crate::Console;
use crate::parameters::Parameters;
use crate::problem::{BAD_COMBINATION, Problem};
use crate::reader::{Question, Row};
use crate::slice::{COUNTS, Slice};
use crate::time::{self, Range, Zone};

/// Parameters of `spend` beside those of a slice.
pub(crate) const SPEND: &[&str] = &["by", "granularity", "from", "to", "zone", "order", "limit", "cursor"];
/// Parameters of `series` beside those of a slice.
pub(crate) const SERIES: &[&str] = &["by", "from", "to", "zone", "search", "order", "limit", "cursor"];

const GRANULARITIES: [(&str, Granularity); 4] =
    [("quarter_hour", Granularity::QuarterHour), ("hour", Granularity::Hour), ("day", Granularity::Day), ("month", Granularity::Month)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Time,
    TimeDown,
    Cost,
    CostDown,
    Value,
}

const DAY: i64 = 86_400;

/// What a range is made of, and how long it may be.
struct Reach {
    granularity: Granularity,
    /// How far back a question without `from` goes.
    windows: i64,
    longest_seconds: i64,
}

impl Reach {
    const fn of_spend(granularity: Granularity) -> Self {
        let (windows, days) = match granularity {
            Granularity::QuarterHour => (24, 35),
            Granularity::Hour => (24, 400),
            Granularity::Day => (30, 3700),
            Granularity::Month => (12, 40_000),
        };
        Reach { granularity, windows, longest_seconds: days * DAY }
    }

    const SERIES: Reach = Reach { granularity: Granularity::QuarterHour, windows: 96, longest_seconds: 3700 * DAY };

    /// The events themselves are many.
    fn limited_for(self, slice: &Slice) -> Self {
        const OF_EVENTS: i64 = 35 * DAY;
        if slice.is_from_events() { Reach { longest_seconds: self.longest_seconds.min(OF_EVENTS), ..self } } else { self }
    }
}

impl Console {
    pub(crate) fn zone(&self, parameters: &Parameters) -> Result<Zone, Problem> {
        let Some(name) = parameters.text("zone") else { return Ok(self.business_zone.clone()) };
        Zone::named(name).ok_or_else(|| Problem::bad_value("zone", name, "an IANA time zone such as Asia/Seoul"))
    }

    /// The asked range in whole windows; what is left out is the last so many windows, the running one included.
    fn range(parameters: &Parameters, zone: &Zone, reach: &Reach, pinned: Option<Range>) -> Result<Range, Problem> {
        if let Some(range) = pinned {
            return Ok(range);
        }
        let (granularity, longest) = (reach.granularity, reach.longest_seconds);
        let instant = |name: &str| parameters.text(name).map(|text| zone.parse(name, text)).transpose();
        let to = match instant("to")? {
            Some(second) => zone.ceil(granularity, second),
            None => zone.after(granularity, zone.floor(granularity, time::now()), 1),
        };
        let from = match instant("from")? {
            Some(second) => zone.floor(granularity, second),
            None => zone.after(granularity, to, -reach.windows),
        };
        let refuse = |detail: String, remedy: &str| {
            Err(Problem::new(BAD_COMBINATION, detail, remedy).blaming("from", parameters.text("from").unwrap_or(&time::rfc3339(from))))
        };
        if from >= to {
            return refuse(format!("the range from {} to {} is empty", time::rfc3339(from), time::rfc3339(to)), "from must be before to");
        }
        if to - from > longest {
            return refuse(format!("the range is longer than {} days", longest / DAY), "a shorter range, or a coarser granularity");
        }
        Ok(Range { from, to })
    }

    /// The stored windows that make up windows of this zone.
    fn stored(&self, granularity: Granularity, zone: &Zone, slice: &Slice) -> Granularity {
        let fits = match granularity {
            Granularity::QuarterHour => true,
            Granularity::Hour => zone.name == "UTC",
            Granularity::Day | Granularity::Month => zone.name == self.business_zone.name,
        };
        if fits && !slice.is_from_events() { granularity } else { Granularity::QuarterHour }
    }

    pub(crate) async fn spend(&self, query: Option<&str>) -> Result<Value, Problem> {
        let parameters = Parameters::read("/api/v1/spend", query, SPEND.iter().copied().chain(crate::slice::parameter_names()))?;
        let slice = self.tables.grouped(&parameters)?;
        let granularity = parameters.choice("granularity", &GRANULARITIES, Granularity::Hour)?;
        let zone = self.zone(&parameters)?;
        let words = [("time", Order::Time), ("-time", Order::TimeDown), ("cost", Order::Cost), ("-cost", Order::CostDown)];
        let order = parameters.choice("order", &words, Order::Time)?;
        let limit = parameters.number("limit", 500, 1..=2000)?;
        let is_by_cost = matches!(order, Order::Cost | Order::CostDown);
        // from, to, [cost], time, dimensions
        let place = parameters.cursor(3 + usize::from(is_by_cost) + slice.dimensions.len())?;
        let reach = Reach::of_spend(granularity).limited_for(&slice);
        let range = Self::range(&parameters, &zone, &reach, pinned(&zone, place.as_deref())?)?;

        let stored = self.stored(granularity, &zone, &slice);
        let mut question = Question::default();
        let from = slice.from(stored, &mut question);
        let start = window_start(granularity, stored, &zone, &mut question);
        question.set("from", time::parameter(range.from));
        question.set("to", time::parameter(range.to));
        let mut keys = vec!["window_start".to_owned()];
        keys.extend(slice.dimensions.iter().map(|name| (*name).to_owned()));
        let columns: String = slice.dimensions.iter().map(|name| format!("    w.{name} AS {name},\n")).collect();
        let inner = format!(
            "SELECT\n    {start} AS start,\n\
             {columns}    {} AS amount,\n    {} AS income,\n    {COUNTS},\n    min(w.is_final) AS is_final\n\
             {from}\n\
             GROUP BY start{}",
            slice.sum("cost"),
            slice.sum("revenue"),
            slice.dimensions.iter().map(|name| format!(", {name}")).collect::<String>(),
        );
        let mut sort: Vec<(String, &str, bool)> = Vec::new();
        if is_by_cost {
            sort.push((slice.sortable("t.amount"), "Decimal(38, 18)", order == Order::CostDown));
        }
        sort.push(("t.start".to_owned(), "DateTime('UTC')", order == Order::TimeDown));
        sort.extend(slice.dimensions.iter().map(|name| (format!("t.{name}"), "String", false)));
        let place = place.map(|mut place| place.split_off(2));
        let condition = beyond(&sort, place.as_deref(), &mut question);
        let outer: String = slice.dimensions.iter().map(|name| format!("t.{name} AS {name}, ")).collect();
        question.sql = format!(
            "SELECT t.start AS window_start, {outer}toString(t.amount) AS cost, toString(t.income) AS revenue, t.* EXCEPT (start, amount, income{}),\n\
             toString({}) AS sort_amount\n\
             FROM (\n\
             {inner}\n\
             ) AS t{condition}\n\
             ORDER BY {}\n\
             LIMIT {}",
            slice.dimensions.iter().map(|name| format!(", {name}")).collect::<String>(),
            slice.sortable("t.amount"),
            order_by(&sort),
            limit + 1,
        );
        let mut rows = self.reader.rows(&question).await?;
        let next = next_cursor(&parameters, &mut rows, limit, range, |row| {
            let mut place = if is_by_cost { vec![text(row, "sort_amount")] } else { Vec::new() };
            place.push(text(row, "window_start").replace('T', " ").replace('Z', ""));
            place.extend(slice.dimensions.iter().map(|name| text(row, name)));
            place
        });
        let data: Vec<Value> = rows.into_iter().map(|row| with_values(row, &slice)).collect();
        Ok(json!({
            "data": data, "next_cursor": next, "from": time::rfc3339(range.from), "to": time::rfc3339(range.to), "zone": zone.name,
            "granularity": granularity.name(), "currency": slice.currency, "queries": [question.shown("spend")],
        }))
    }

    pub(crate) async fn series(&self, query: Option<&str>) -> Result<Value, Problem> {
        let parameters = Parameters::read("/api/v1/series", query, SERIES.iter().copied().chain(crate::slice::parameter_names()))?;
        let slice = self.tables.grouped(&parameters)?;
        let zone = self.zone(&parameters)?;
        let order =
            parameters.choice("order", &[("cost", Order::Cost), ("-cost", Order::CostDown), ("value", Order::Value)], Order::CostDown)?;
        let limit = parameters.number("limit", 50, 1..=1000)?;
        let is_by_cost = order != Order::Value;
        let place = parameters.cursor(2 + usize::from(is_by_cost) + slice.dimensions.len())?;
        let range = Self::range(&parameters, &zone, &Reach::SERIES.limited_for(&slice), pinned(&zone, place.as_deref())?)?;
        let stored = if slice.is_from_events() { Granularity::QuarterHour } else { self.coarsest(range) };
        let length = range.to - range.from;

        let mut question = Question::default();
        let from = slice.from(stored, &mut question);
        question.set("from", time::parameter((range.from - length).max(0)));
        question.set("start", time::parameter(range.from));
        question.set("to", time::parameter(range.to));
        let (now, before) = ("w.window_start >= {start:DateTime('UTC')}", "w.window_start < {start:DateTime('UTC')}");
        let search = parameters.text("search").unwrap_or("");
        let mut found = String::new();
        if !search.is_empty() && !slice.dimensions.is_empty() {
            question.set("search", search);
            let matches = slice.dimensions.iter().map(|name| format!("positionCaseInsensitiveUTF8(w.{name}, {{search:String}}) > 0"));
            found = format!(" AND ({})", matches.collect::<Vec<_>>().join(" OR "));
        }
        let dimensions: String = slice.dimensions.iter().map(|name| format!("    w.{name} AS {name},\n")).collect();
        let counts = counts_if(now);
        let group = if slice.dimensions.is_empty() { String::new() } else { format!("\nGROUP BY {}", slice.dimensions.join(", ")) };
        let inner = format!(
            "SELECT\n\
             {dimensions}    {} AS amount,\n    {} AS income,\n    {} AS amount_before,\n    {counts}\n\
             {from}{found}{group}\n\
             HAVING events > 0",
            slice.sum_if("cost", now),
            slice.sum_if("revenue", now),
            slice.sum_if("cost", before),
        );
        let mut sort: Vec<(String, &str, bool)> = Vec::new();
        if is_by_cost {
            sort.push((slice.sortable("t.amount"), "Decimal(38, 18)", order == Order::CostDown));
        }
        sort.extend(slice.dimensions.iter().map(|name| (format!("t.{name}"), "String", false)));
        let place = place.map(|mut place| place.split_off(2));
        let condition = beyond(&sort, place.as_deref(), &mut question);
        let order_text = if sort.is_empty() { String::new() } else { format!("\nORDER BY {}", order_by(&sort)) };
        question.sql = format!(
            "SELECT t.* EXCEPT (amount, income, amount_before, everything), toString(t.amount) AS cost, toString(t.income) AS revenue,\n\
             toString(t.amount_before) AS previous_cost, toFloat64(t.amount) / nullIf(toFloat64(t.amount_before), 0) - 1 AS change,\n\
             toString(toDecimal128(roundBankers(toDecimal256(t.amount, 36) / nullIf(t.calls, 0), 18), 18)) AS cost_per_call,\n\
             toFloat64(t.amount) / nullIf(toFloat64(t.everything), 0) AS share,\n\
             toString({}) AS sort_amount\n\
             FROM (\n\
             SELECT *, sum(amount) OVER () AS everything FROM (\n\
             {inner}\n\
             )\n\
             ) AS t{condition}{order_text}\n\
             LIMIT {}",
            slice.sortable("t.amount"),
            limit + 1,
        );
        let mut rows = self.reader.rows(&question).await?;
        let next = next_cursor(&parameters, &mut rows, limit, range, |row| {
            let mut place = if is_by_cost { vec![text(row, "sort_amount")] } else { Vec::new() };
            place.extend(slice.dimensions.iter().map(|name| text(row, name)));
            place
        });
        let data: Vec<Value> = rows.into_iter().map(|row| with_values(row, &slice)).collect();
        Ok(json!({
            "data": data, "next_cursor": next, "from": time::rfc3339(range.from), "to": time::rfc3339(range.to), "zone": zone.name,
            "currency": slice.currency, "queries": [question.shown("series")],
        }))
    }

    /// The longest stored windows that this range and the one before it are made of.
    fn coarsest(&self, range: Range) -> Granularity {
        let before = range.from - (range.to - range.from);
        let fits =
            |zone: &Zone, granularity| [before, range.from, range.to].iter().all(|second| zone.floor(granularity, *second) == *second);
        if fits(&self.business_zone, Granularity::Day) {
            Granularity::Day
        } else if [before, range.from, range.to].iter().all(|second| second % 3600 == 0) {
            Granularity::Hour
        } else {
            Granularity::QuarterHour
        }
    }
}

/// The counts over the range itself, not the one before.
fn counts_if(condition: &str) -> String {
    let counts = ["events", "calls", "errors", "unpriced_events"].map(|name| format!("sumIf(w.{name}, {condition}) AS {name}"));
    let tokens = ["uncached_input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"]
        .map(|name| format!("toString(sumIf(w.{name}, {condition})) AS {name}"));
    counts.into_iter().chain(tokens).collect::<Vec<_>>().join(",\n    ")
}

fn window_start(granularity: Granularity, stored: Granularity, zone: &Zone, question: &mut Question) -> String {
    if granularity == stored {
        return "w.window_start".to_owned();
    }
    question.set("zone", &zone.name);
    match granularity {
        Granularity::QuarterHour => "w.window_start".to_owned(),
        Granularity::Hour => "toTimeZone(toStartOfHour(toTimeZone(w.window_start, {zone:String})), 'UTC')".to_owned(),
        Granularity::Day => "toTimeZone(toStartOfDay(w.window_start, {zone:String}), 'UTC')".to_owned(),
        Granularity::Month => "toTimeZone(toDateTime(toStartOfMonth(w.window_start, {zone:String}), {zone:String}), 'UTC')".to_owned(),
    }
}

/// The range of the first page, which the cursor carries: `now` has moved on since.
fn pinned(zone: &Zone, place: Option<&[String]>) -> Result<Option<Range>, Problem> {
    let Some([from, to, ..]) = place else { return Ok(None) };
    Ok(Some(Range { from: zone.parse("cursor", from)?, to: zone.parse("cursor", to)? }))
}

fn order_by(sort: &[(String, &str, bool)]) -> String {
    sort.iter().map(|(column, _, down)| format!("{column}{}", if *down { " DESC" } else { "" })).collect::<Vec<_>>().join(", ")
}

/// `WHERE` that begins after the place, column by column.
fn beyond(sort: &[(String, &str, bool)], place: Option<&[String]>, question: &mut Question) -> String {
    let Some(place) = place else { return String::new() };
    let mut ways = Vec::new();
    for (index, (column, kind, down)) in sort.iter().enumerate() {
        question.set(format!("after_{index}"), &place[index]);
        let equal = sort[..index].iter().enumerate().map(|(i, (c, k, _))| format!("{c} = {{after_{i}:{k}}} AND "));
        ways.push(format!("({}{column} {} {{after_{index}:{kind}}})", equal.collect::<String>(), if *down { "<" } else { ">" }));
    }
    if ways.is_empty() { String::new() } else { format!("\nWHERE {}", ways.join(" OR ")) }
}

/// Cuts the row that shows that there are more, and says where the page ends.
fn next_cursor(
    parameters: &Parameters,
    rows: &mut Vec<Row>,
    limit: u32,
    range: Range,
    place: impl Fn(&Row) -> Vec<String>,
) -> Option<String> {
    if rows.len() <= limit as usize {
        return None;
    }
    rows.truncate(limit as usize);
    let mut whole = vec![time::rfc3339(range.from), time::rfc3339(range.to)];
    whole.extend(place(rows.last()?));
    Some(parameters.cursor_text(&whole))
}

pub(crate) fn text(row: &Row, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or("").to_owned()
}

/// The dimensions under `values`, and the scope as budgets, alerts and rhythm write it.
fn with_values(mut row: Row, slice: &Slice) -> Value {
    row.remove("sort_amount");
    let pairs: Vec<(&str, String)> = slice.dimensions.iter().map(|name| (*name, text(&row, name))).collect();
    let scope =
        schemas::alert::scope_text(pairs.iter().filter_map(|(name, value)| Some((schemas::Dimension::from_name(name)?, value.as_str()))));
    for name in &slice.dimensions {
        row.remove(*name);
    }
    let values: Row = pairs.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    row.insert("values".to_owned(), Value::Object(values));
    row.insert("scope".to_owned(), Value::from(scope));
    Value::Object(row)
}

//! The views that readers of rollups use: one per granularity and grouping set, made from the configured sets.
//!
//! A view hides revisions (`FINAL`) and sums generations, so that a plain `SELECT sum(cost)` is right. Its grouping columns
//! are expressions of the primary key, so a reader's filter on `window_start` and on the dimensions reaches the index.

use schemas::GroupingSet;
use schemas::rollup::Granularity;

use super::migrations::fnv;

/// A view and how it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name in the database.
    pub name: String,
    /// The query behind it.
    pub select: String,
}

/// Why no view can be made of a grouping set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// It would be part of a view's name.
    #[error("grouping set {0:?}: a name is 1 to 64 of a-z, 0-9 and _, and begins with a letter")]
    Name(String),
    /// Two sets of one name would share a view.
    #[error("grouping set {0:?} is there twice: give one of them another name")]
    Twice(String),
}

/// What follows the dimension columns, in the order of the contract.
const MEASURES: &str = "\
    sum(r.events) AS events,
    sum(r.calls) AS calls,
    sum(r.errors) AS errors,
    sum(r.unpriced_events) AS unpriced_events,
    sum(r.uncached_input_tokens) AS uncached_input_tokens,
    sum(r.cache_read_tokens) AS cache_read_tokens,
    sum(r.cache_write_tokens) AS cache_write_tokens,
    sum(r.output_tokens) AS output_tokens,
    sum(r.reasoning_tokens) AS reasoning_tokens,
    sum(r.cost) AS cost,
    sum(r.revenue) AS revenue,
    sum(r.latency_count) AS latency_count,
    sum(r.latency_ms_sum) AS latency_ms_sum,
    max(r.latency_ms_max) AS latency_ms_max,
    min(r.first_event_at) AS first_event_at,
    max(r.last_event_at) AS last_event_at,
    min(r.is_final) AS is_final,
    max(r.revision) AS revision";

/// The name of the view of a set: `hourly_total`, `daily_by_model`.
pub fn view_name(granularity: Granularity, set: &str) -> String {
    if set == "total" { format!("{}_total", granularity.adverb()) } else { format!("{}_by_{set}", granularity.adverb()) }
}

/// The views of the sets that analysts see, in every granularity.
///
/// # Errors
/// [`ViewError`] names the set.
pub fn rollup_views(sets: &[GroupingSet]) -> Result<Vec<View>, ViewError> {
    let published: Vec<&GroupingSet> = sets.iter().filter(|set| set.is_published()).collect();
    for (index, set) in published.iter().enumerate() {
        if !is_plain_name(&set.name) {
            return Err(ViewError::Name(set.name.clone()));
        }
        if published[..index].iter().any(|other| other.name == set.name) {
            return Err(ViewError::Twice(set.name.clone()));
        }
    }
    let views = published.iter().flat_map(|set| Granularity::ALL.map(|granularity| rollup_view(granularity, set)));
    Ok(views.collect())
}

/// Splits a scope as budgets, alerts and rhythm write it (`schemas::alert::scope_text`) into pairs of name and value.
const SCOPE_PAIRS: &str = r"extractAllGroups({scope:String}, '([a-z_]+)=((?:\\\\.|[^,=\\\\])*)')";

/// The views of one scope, whatever its grouping set: `spend_of` (its windows in any currency), `month_forecast`, and the list `scopes`.
pub(crate) fn scope_views(sets: &[GroupingSet], database: &str) -> [View; 3] {
    let published: Vec<&GroupingSet> = sets.iter().filter(|set| set.is_published()).collect();
    [spend_of(&published), month_forecast(database), scopes(&published)]
}

fn dimension_names(set: &GroupingSet) -> Vec<&'static str> {
    set.key.iter().map(|dimension| dimension.name()).collect()
}

fn spend_of(sets: &[&GroupingSet]) -> View {
    // An unknown scope finds place 0, and with it the set '', which has no rows.
    let mut names = String::from("''");
    let mut keys = Vec::new();
    for set in sets {
        names += &format!(", '{}'", set.name);
        let key = dimension_names(set).join(",");
        keys.push(format!("'{}'", if key.is_empty() { "total" } else { &key }));
    }
    let keys = keys.join(", ");
    let key = format!("if({{scope:String}} = 'total', 'total', arrayStringConcat(arrayMap(pair -> pair[1], {SCOPE_PAIRS}), ','))");
    let values = format!(r"arrayMap(pair -> replaceRegexpAll(pair[2], '\\\\(.)', '\\1'), {SCOPE_PAIRS})");
    let select = format!(
        "SELECT\n    w.window_start AS window_start,\n    {{scope:String}} AS scope,\n{IN_CURRENCY}\nFROM (\n\
         SELECT\n    r.window_start AS window_start,\n    r.`values` AS `values`,\n    upper({{currency:String}}) AS currency,\n{MEASURES}\n\
         FROM rollups AS r FINAL\n\
         WHERE r.granularity = {{granularity:String}}\n\
         AND r.`set` = [{names}][1 + indexOf([{keys}], {key})]\n\
         AND r.`values`[1] = {values}[1]\nAND r.`values`[2] = {values}[2]\nAND r.`values` = {values}\n\
         GROUP BY window_start, `values`\n\
         SETTINGS do_not_merge_across_partitions_select_final = 1\n\
         ) AS w\n{RATE_IN_FORCE}"
    );
    View { name: "spend_of".to_owned(), select }
}

/// What the view `spend` of migration 7 makes of a window `w` and the rate `x` in force at its start.
const IN_CURRENCY: &str = "\
    w.events AS events,
    w.calls AS calls,
    w.errors AS errors,
    w.unpriced_events AS unpriced_events,
    w.uncached_input_tokens AS uncached_input_tokens,
    w.cache_read_tokens AS cache_read_tokens,
    w.cache_write_tokens AS cache_write_tokens,
    w.output_tokens AS output_tokens,
    w.reasoning_tokens AS reasoning_tokens,
    w.currency AS currency,
    x.per_usd AS per_usd,
    toDecimal128(roundBankers(toDecimal256(w.cost, 18) * toDecimal256(x.per_usd, 18), 18), 18) AS cost,
    toDecimal128(roundBankers(toDecimal256(w.revenue, 18) * toDecimal256(x.per_usd, 18), 18), 18) AS revenue,
    w.latency_count AS latency_count,
    w.latency_ms_sum AS latency_ms_sum,
    w.latency_ms_max AS latency_ms_max,
    w.first_event_at AS first_event_at,
    w.last_event_at AS last_event_at,
    w.is_final AS is_final";

const RATE_IN_FORCE: &str = "\
ASOF LEFT JOIN (
    SELECT e.currency AS currency, toDateTime(e.valid_from, 'UTC') AS valid_from, toNullable(e.per_usd) AS per_usd
    FROM exchange_rate_rows AS e
    WHERE e.currency = upper({currency:String}) AND e.`load` = (SELECT argMax(`load`, loaded_at) FROM exchange_rate_rows)
    UNION ALL
    SELECT 'USD', toDateTime(0, 'UTC'), toNullable(toDecimal128(1, 18))
) AS x ON w.currency = x.currency AND w.window_start >= x.valid_from
SETTINGS join_algorithm = 'hash'";

/// Where the running business month ends, one row. A remaining day is expected to cost what the last 14 whole business days did on average, the
/// running one at least what it has cost already. The range gives each of them the spend of a cheap or a dear day (10 % and 90 % quantile of
/// those 14). Exact decimals; NULL without a whole day of history or without a rate.
fn month_forecast(database: &str) -> View {
    // 338 hours: 14 days and the two hours by which a change of summer time can move a day.
    const LAST_DAYS: &str = "s.window_start < b.day_start AND s.window_start >= b.day_start - INTERVAL 338 HOUR";
    let select = format!(
        "SELECT
    {{scope:String}} AS scope,
    upper({{currency:String}}) AS currency,
    b.month_start AS month_start,
    b.next_month_start AS month_end,
    t.days_known AS days_known,
    toUInt8(intDiv(dateDiff('hour', b.day_start, b.next_month_start) + 12, 24) - 1) AS remaining_days,
    if(t.is_unknown, NULL, t.before_today + t.today) AS spent,
    if(t.is_unknown, NULL, t.before_today + greatest(t.today, t.average_day) + t.average_day * remaining_days) AS `projection`,
    if(t.is_unknown, NULL, t.before_today + greatest(t.today, t.cheap_day) + t.cheap_day * remaining_days) AS projection_low,
    if(t.is_unknown, NULL, t.before_today + greatest(t.today, t.dear_day) + t.dear_day * remaining_days) AS projection_high
FROM (
    SELECT
        countIf({LAST_DAYS}) AS days_known,
        countIf(s.cost IS NULL) > 0 AS is_unknown,
        ifNull(sumIf(s.cost, s.window_start >= b.month_start AND s.window_start < b.day_start), toDecimal128(0, 18)) AS before_today,
        ifNull(sumIf(s.cost, s.window_start >= b.day_start), toDecimal128(0, 18)) AS today,
        toDecimal128(roundBankers(toDecimal256(sumIf(s.cost, {LAST_DAYS}), 36) / nullIf(days_known, 0), 18), 18) AS average_day,
        if(days_known = 0, NULL, quantileExactLowIf(0.1)(s.cost, {LAST_DAYS})) AS cheap_day,
        if(days_known = 0, NULL, quantileExactHighIf(0.9)(s.cost, {LAST_DAYS})) AS dear_day
    FROM `{database}`.spend_of(granularity = 'day', scope = {{scope:String}}, currency = {{currency:String}}) AS s
    CROSS JOIN business_time AS b
    WHERE s.window_start >= now() - INTERVAL 33 DAY AND s.window_start <= now()
) AS t
CROSS JOIN business_time AS b"
    );
    View { name: "month_forecast".to_owned(), select }
}

/// Every scope with spend in the last 30 business days but users, who are too many for a list to choose from.
fn scopes(sets: &[&GroupingSet]) -> View {
    let listed: Vec<&&GroupingSet> = sets.iter().filter(|set| !dimension_names(set).contains(&"user_id")).collect();
    let dimensions = listed.iter().map(|set| {
        let names: Vec<String> = dimension_names(set).iter().map(|name| format!("'{name}'")).collect();
        format!("'{}', CAST([{}], 'Array(String)')", set.name, names.join(", "))
    });
    let dimensions = dimensions.collect::<Vec<String>>().join(", ");
    let names = listed.iter().map(|set| format!("'{}'", set.name)).collect::<Vec<String>>().join(", ");
    // Nothing is listed when only users are counted.
    let (dimensions, names) =
        if names.is_empty() { ("'', CAST([], 'Array(String)')".to_owned(), "''".to_owned()) } else { (dimensions, names) };
    let select = format!(
        r"SELECT
    if(empty(s.`values`), 'total', arrayStringConcat(arrayMap(
        (name, value) -> concat(name, '=', replaceRegexpAll(value, '([,=\\\\])', '\\\\\\1')),
        map({dimensions})[toString(s.`set`)],
        s.`values`
    ), ',')) AS scope,
    toString(s.`set`) AS `set`,
    s.cost AS cost
FROM (
    SELECT r.`set` AS `set`, r.`values` AS `values`, sum(r.cost) AS cost
    FROM rollups AS r FINAL
    WHERE r.granularity = 'day' AND r.`set` IN ({names}) AND r.window_start > now() - INTERVAL 30 DAY AND r.window_start <= now()
    GROUP BY `set`, `values`
    SETTINGS do_not_merge_across_partitions_select_final = 1
) AS s"
    );
    View { name: "scopes".to_owned(), select }
}

/// `business_time` for a time zone: the same columns as migration 6 gives it for UTC.
pub(crate) fn business_time(time_zone: &str) -> View {
    let zone = format!("'{}'", time_zone.replace('\\', "\\\\").replace('\'', "\\'"));
    let select = format!(
        "SELECT
    {zone} AS time_zone,
    toTimeZone(toStartOfDay(now(), {zone}), 'UTC') AS day_start,
    toTimeZone(toDateTime(toStartOfMonth(now(), {zone}), {zone}), 'UTC') AS month_start,
    toTimeZone(toDateTime(toStartOfMonth(now(), {zone}) + INTERVAL 1 MONTH, {zone}), 'UTC') AS next_month_start"
    );
    View { name: "business_time".to_owned(), select }
}

fn is_plain_name(name: &str) -> bool {
    let characters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    characters && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn rollup_view(granularity: Granularity, set: &GroupingSet) -> View {
    let mut dimensions = String::new();
    let mut keys = String::from("window_start");
    for (index, dimension) in set.key.iter().enumerate() {
        let name = dimension.name();
        dimensions += &format!("    r.`values`[{}] AS {name},\n", index + 1);
        keys += &format!(", {name}");
    }
    // A key lies in one partition for ever (the window's month is part of both), so partitions need not be merged.
    let select = format!(
        "SELECT\n    r.window_start AS window_start,\n{dimensions}{MEASURES}\nFROM rollups AS r FINAL\n\
         WHERE r.granularity = '{}' AND r.`set` = '{}'\nGROUP BY {keys}\n\
         SETTINGS do_not_merge_across_partitions_select_final = 1",
        granularity.name(),
        set.name,
    );
    View { name: view_name(granularity, &set.name), select }
}

impl View {
    /// What is kept in the view's comment, so that an unchanged view is left alone at the next start.
    pub(crate) fn mark(&self) -> String {
        format!("made by cost-rhythm from its configuration, {:016x}", fnv(self.select.as_bytes()))
    }

    /// The statement that makes it or changes it in one step.
    pub(crate) fn statement(&self) -> String {
        format!("CREATE OR REPLACE VIEW {} AS\n{}\nCOMMENT '{}'", self.name, self.select, self.mark())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_sets_have_the_names_of_the_contract() {
        let views = rollup_views(&GroupingSet::defaults()).unwrap();
        assert_eq!(views.len(), 48);
        for name in ["hourly_total", "hourly_by_provider", "daily_by_model", "monthly_by_user", "quarter_hour_by_feature"] {
            assert!(views.iter().any(|view| view.name == name), "{name}");
        }
    }

    #[test]
    fn names_that_would_not_be_names_are_refused() {
        for name in ["", "a b", "x;DROP TABLE rollups", "Ä", "_x", "9x", "A"] {
            assert!(matches!(rollup_views(&[GroupingSet::new(name, &[])]), Err(ViewError::Name(_))), "{name:?}");
        }
        let twice = [GroupingSet::new("team", &[]), GroupingSet::new("team", &[])];
        assert_eq!(rollup_views(&twice), Err(ViewError::Twice("team".to_owned())));
    }

    #[test]
    fn sets_that_only_budgets_need_have_no_views() {
        assert_eq!(rollup_views(&[GroupingSet::new("budget:llm", &[])]), Ok(Vec::new()));
    }
}

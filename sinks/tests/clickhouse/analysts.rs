//! The views for analysts against recounts of the events themselves, which share neither tables nor queries with them.

use schemas::GroupingSet;
use schemas::budget::CountedBudget;
use schemas::rates::Rates;
use sinks::clickhouse::ClickHouse;

use crate::server::{PASSWORD, database, options, text};

/// Euros have had a second rate for ten days; won one rate.
fn rates() -> Rates {
    let first = "[[rate]]\ncurrency = \"KRW\"\nper_usd = \"1380.50\"\nfrom = 2023-01-01T00:00:00Z\n\n\
                 [[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.92\"\nfrom = 2023-01-01T00:00:00Z\n";
    let turn = midnight(10);
    Rates::parse_all(&[("a", first), ("b", &format!("[[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.95\"\nfrom = {turn}\n"))]).unwrap()
}

/// RFC 3339 midnight (UTC) so many days ago.
fn midnight(days_ago: u64) -> String {
    let today = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    schemas::Timestamp::from_micros(i64::try_from((today - days_ago) * 86_400_000_000).unwrap()).to_string()
}

/// Every grouping set with its values, one after the other for each event.
const SET_AND_VALUES: &str = "arrayJoin([('total', []::Array(String)), ('provider', [provider]), ('model', [provider, model]), ('service', [service]), \
    ('feature', [feature]), ('route', [route]), ('task_type', [task_type]), ('team', [team]), ('project', [project]), \
    ('environment', [environment]), ('cost_center', [cost_center]), ('user', [user_id])])";

/// 30,000 events of the last 75 days, and the rollups that the pipeline would have made of them: in two generations, each behind a stale
/// revision with wrong sums.
async fn filled() -> ClickHouse {
    static FILLED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    FILLED.get_or_init(|| fill("analysts")).await;
    ClickHouse::new(options("analysts")).unwrap()
}

async fn fill(name: &str) {
    let server = database(name).await;
    server.publish_rates(&rates(), "UTC").await.unwrap();
    server
        .execute(
            "INSERT INTO usage_event_rows (topic, partition, offset, event_id, source, occurred_at, kind, provider, model, service, feature, route,
                task_type, team, project, environment, cost_center, user_id, uncached_input_tokens, cache_read_tokens, output_tokens, cost, cost_status,
                price_version, revenue, latency_ms, status, tags)
            SELECT 'usage-events', 0, number, 'e-' || toString(number), 'test',
                toDateTime64(now() - cityHash64(number, 'at') % 6480000, 6, 'UTC') + toIntervalMicrosecond(cityHash64(number, 'us') % 1000000),
                if(number % 10 = 0, 'cost', 'llm'), ['', 'openai', 'anthropic'][1 + number % 3],
                if(number % 10 = 0, '', ['gpt=4', 'a,b', 'c\\\\d'][1 + cityHash64(number, 'm') % 3]), if(number % 10 = 0, ['ECS', 'S3', ''][1 + number % 3], ''),
                ['', 'tutor', 'search'][1 + cityHash64(number, 'f') % 3], '/r' || toString(number % 4), 't', 'team', 'p', 'production', 'rnd',
                'u-' || toString(cityHash64(number, 'u') % 40), cityHash64(number, 'i') % 2000, 7, 300,
                if(number % 50 = 0, toDecimal128(0, 18), toDecimal128(cityHash64(number, 'c') % 1000000007, 18) / 1000000000) * if(number % 97 = 0, -1, 1),
                if(number % 50 = 0, 'unpriced', 'priced'), 'v1', toDecimal128(cityHash64(number, 'r') % 1000000007, 18) / 500000000,
                if(number % 10 = 0, NULL, 1 + cityHash64(number, 'l') % 3000), if(number % 33 = 0, 'error', 'ok'), map('region', 'eu')
            FROM numbers(30000)",
        )
        .await
        .unwrap();
    for (granularity, start) in [
        ("quarter_hour", "toStartOfFifteenMinutes(toDateTime(occurred_at, 'UTC'))"),
        ("hour", "toStartOfHour(toDateTime(occurred_at, 'UTC'))"),
        ("day", "toStartOfDay(toDateTime(occurred_at, 'UTC'))"),
        ("month", "toDateTime(toStartOfMonth(occurred_at), 'UTC')"),
    ] {
        for (revision, wrong) in [(1, "1000"), (2, "0")] {
            server
                .execute(&format!(
                    "INSERT INTO rollups SELECT '{granularity}', s.1, {start} AS w, s.2, if(number % 2 = 0, 0, 5) AS g, {revision}, false, count(),
                        countIf(kind = 'llm'), countIf(kind = 'llm' AND status NOT IN ('', 'ok')), countIf(cost_status = 'unpriced'),
                        sum(uncached_input_tokens), sum(cache_read_tokens), 0, sum(output_tokens), 0, sum(cost) + toDecimal128({wrong}, 18), 0,
                        sum(revenue) + toDecimal128({wrong}, 18), count(latency_ms), sum(ifNull(latency_ms, 0)), max(ifNull(latency_ms, 0)), min(occurred_at), max(occurred_at)
                    FROM (SELECT *, `offset` AS number, {SET_AND_VALUES} AS s FROM usage_event_rows) GROUP BY s, w, g"
                ))
                .await
                .unwrap();
        }
    }
}

/// A view's answer equals that of a query over the events.
async fn assert_equal(server: &ClickHouse, view: &str, recount: &str) {
    let (found, expected) = (text(server, view).await, text(server, recount).await);
    assert!(!found.is_empty(), "no rows: {view}");
    assert_eq!(found, expected, "{view}");
}

/// What an amount is worth in a currency by the rate at the start of the event's window.
fn worth(amount: &str, currency: &str, window: &str) -> String {
    let rate = match currency {
        "USD" => "toDecimal256(1, 4)".to_owned(),
        "KRW" => "toDecimal256('1380.5', 4)".to_owned(),
        _ => format!("if({window} < toDateTime(today() - 10, 'UTC'), toDecimal256('0.92', 4), toDecimal256('0.95', 4))"),
    };
    // The events' amounts have 9 decimals: nothing is rounded here.
    format!("toDecimal128(toDecimal256(sum({amount} * {rate}), 18), 18)")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_equals_a_recount_of_the_events_in_every_currency() {
    let server = filled().await;
    let hour = "toStartOfHour(toDateTime(occurred_at, 'UTC'))";
    for currency in ["USD", "KRW", "EUR"] {
        let (cost, revenue) = (worth("cost", currency, hour), worth("revenue", currency, hour));
        let from = |name: &str| if currency == "USD" { name.to_owned() } else { format!("{name}_in(currency = '{currency}')") };
        let last = |days: u32| format!("{hour} > now() - INTERVAL {days} DAY");
        let calls = "countIf(kind = 'llm')";
        let errors = "countIf(kind = 'llm' AND status != 'ok')";
        let per_call = |amount: &str| format!("toDecimal128(roundBankers(toDecimal256({amount}, 40) / nullIf({calls}, 0), 18), 18)");

        assert_equal(
            &server,
            &format!("SELECT feature, currency, events, calls, errors, unpriced_events, uncached_input_tokens, cache_read_tokens, output_tokens, cost, cost_per_call,
                round(failure_rate, 12), round(latency_ms_average, 9), first_event_at, last_event_at FROM {} ORDER BY feature", from("feature_cost_summary")),
            &format!("SELECT feature, '{currency}', count(), {calls}, {errors}, countIf(cost_status = 'unpriced'), sum(uncached_input_tokens), sum(cache_read_tokens), sum(output_tokens),
                {cost} AS c, {}, round({errors} / nullIf({calls}, 0), 12), round(avg(latency_ms), 9), min(occurred_at), max(occurred_at)
                FROM usage_event_rows WHERE {} GROUP BY feature ORDER BY feature", per_call("c"), last(30)),
        )
        .await;
        assert_equal(
            &server,
            &format!("SELECT feature, revenue, cost, margin, margin_per_call, round(margin_ratio, 9) FROM {} ORDER BY feature", from("feature_margin")),
            &format!("SELECT feature, {revenue} AS r, {cost} AS c, r - c, {}, round(toFloat64(r - c) / toFloat64(r), 9) FROM usage_event_rows WHERE {} GROUP BY feature ORDER BY feature", per_call("r - c"), last(30)),
        )
        .await;
        assert_equal(
            &server,
            &format!("SELECT provider, model, calls, errors, latency_ms_max, tokens, cost, cost_per_call, cost_per_million_tokens FROM {} ORDER BY ALL", from("model_performance_comparison")),
            &format!("SELECT provider, model, {calls}, {errors}, max(ifNull(latency_ms, 0)), toInt128(sum(uncached_input_tokens + cache_read_tokens + output_tokens)) AS t, {cost} AS c, {},
                toDecimal128(roundBankers(toDecimal256(c, 40) * 1000000 / nullIf(t, 0), 18), 18) FROM usage_event_rows WHERE {} GROUP BY provider, model ORDER BY ALL", per_call("c"), last(7)),
        )
        .await;
        assert_equal(
            &server,
            &format!("SELECT window_start, events, calls, tokens, cost, cost_day_before FROM {} WHERE events > 0 ORDER BY window_start", from("realtime_cost_monitor")),
            &format!("SELECT a.h, n, c, t, k, ifNull(y, 0) FROM (
                SELECT {hour} AS h, count() AS n, {calls} AS c, sum(uncached_input_tokens + cache_read_tokens + output_tokens) AS t, {cost} AS k FROM usage_event_rows WHERE h > now() - INTERVAL 1 DAY GROUP BY h
                ) AS a LEFT JOIN (SELECT {hour} + INTERVAL 1 DAY AS h, {cost} AS y FROM usage_event_rows WHERE h > now() - INTERVAL 1 DAY AND h <= now() GROUP BY h) AS b ON a.h = b.h ORDER BY a.h"),
        )
        .await;
        assert_eq!(
            text(
                &server,
                &format!(
                    "SELECT count(), min(window_start) > now() - INTERVAL 1 DAY, countIf(NOT is_over) FROM {}",
                    from("realtime_cost_monitor")
                )
            )
            .await,
            "24\t1\t1"
        );
        let month = worth("cost", currency, "toDateTime(toStartOfMonth(occurred_at), 'UTC')");
        assert_equal(
            &server,
            &format!("SELECT month, user_id, currency, calls, cost, cost_per_call FROM {} ORDER BY ALL", from("user_monthly_cost")),
            &format!("SELECT toDate(toStartOfMonth(occurred_at)) AS m, user_id, '{currency}', {calls}, {month} AS c, {} FROM usage_event_rows GROUP BY m, user_id ORDER BY ALL", per_call("c")),
        )
        .await;
        let quarter = worth("cost", currency, "toStartOfFifteenMinutes(toDateTime(occurred_at, 'UTC'))");
        assert_equal(
            &server,
            &format!("SELECT scope, current FROM check_cost_threshold(currency = '{currency}', monthly_limit = '1', user_monthly_limit = '1', hourly_limit = '1') WHERE check != 'hourly_spike' ORDER BY scope"),
            &format!("SELECT * FROM (SELECT 'total' AS s, {quarter} AS k FROM usage_event_rows WHERE toStartOfMonth(occurred_at) = toStartOfMonth(now())
                UNION ALL SELECT 'user_id=' || user_id AS s, {month} FROM usage_event_rows WHERE toStartOfMonth(occurred_at) = toStartOfMonth(now()) GROUP BY user_id) ORDER BY s"),
        )
        .await;
        let day = worth("cost", currency, "toStartOfDay(toDateTime(occurred_at, 'UTC'))");
        assert_equal(
            &server,
            &format!("SELECT days_known, remaining_days, spent, projection, projection_low, projection_high FROM month_forecast(scope = 'total', currency = '{currency}')"),
            &format!("WITH (SELECT groupArray(k) FROM (SELECT toDate(occurred_at) AS d, {day} AS k FROM usage_event_rows WHERE d < today() AND d >= today() - 14 GROUP BY d)) AS days,
                (SELECT {day} FROM usage_event_rows WHERE toDate(occurred_at) = today()) AS now_day,
                (SELECT {day} FROM usage_event_rows WHERE toDate(occurred_at) < today() AND toDate(occurred_at) >= toStartOfMonth(today())) AS before,
                toUInt8(toLastDayOfMonth(today()) - today()) AS left,
                arraySort(days) AS sorted, toDecimal128(roundBankers(toDecimal256(arraySum(days), 40) / 14, 18), 18) AS mean
                SELECT 14, left, before + now_day, before + greatest(now_day, mean) + mean * left,
                    before + greatest(now_day, sorted[2]) + sorted[2] * left, before + greatest(now_day, sorted[13]) + sorted[13] * left"),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_current_database_is_another_one_gets_the_same() {
    let server = filled().await;
    let elsewhere = ClickHouse::new(options("default")).unwrap();
    for view in [
        "feature_cost_summary",
        "feature_margin_in(currency = 'KRW')",
        "month_forecast(scope = 'total', currency = 'KRW')",
        "check_cost_threshold(currency = 'KRW', monthly_limit = '1', user_monthly_limit = '1', hourly_limit = '1')",
        "user_monthly_cost",
    ] {
        let here = text(&server, &format!("SELECT * FROM {view} ORDER BY ALL")).await;
        assert_eq!(text(&elsewhere, &format!("SELECT * FROM analysts.{view} ORDER BY ALL")).await, here, "{view}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listed_scope_has_the_spend_of_its_list() {
    let server = filled().await;
    let scopes = text(&server, "SELECT scope, cost FROM scopes").await;
    assert!(scopes.lines().count() > 25, "{scopes}");
    for line in scopes.lines() {
        let (scope, cost) = line.split_once('\t').unwrap();
        // Tab-separated text doubles a backslash, and so does a literal.
        let of =
            format!("FROM spend_of(granularity = 'day', scope = '{scope}', currency = 'USD') WHERE window_start > now() - INTERVAL 30 DAY");
        assert_eq!(text(&server, &format!("SELECT sum(cost) {of}")).await, cost, "{scope}");
    }
    assert!(scopes.contains(r"model=a\\,b") && scopes.contains(r"model=gpt\\=4") && scopes.contains(r"model=c\\\\d"), "{scopes}");
    for unknown in ["nothing", "team=nobody", "", "colour=red", "model=c"] {
        assert_eq!(
            text(&server, &format!("SELECT count() FROM spend_of(granularity = 'day', scope = '{unknown}', currency = 'USD')")).await,
            "0",
            "{unknown}"
        );
    }
    let plan = text(&server, "EXPLAIN indexes = 1 SELECT sum(cost) FROM spend_of(granularity = 'hour', scope = 'user_id=u-7', currency = 'KRW') WHERE window_start >= now() - INTERVAL 1 DAY").await;
    let condition = plan.lines().find(|line| line.contains("Condition") && line.contains("arrayElement")).unwrap();
    assert!(condition.contains(r"set in [\'user\'") && condition.contains("window_start in") && condition.contains("u-7"), "{plan}");
}

/// One hour of one feature, one user and the total, now.
async fn one_window(server: &ClickHouse, cost: &str, at: &str) {
    for (granularity, set, values) in
        [("hour", "total", ""), ("quarter_hour", "total", ""), ("hour", "feature", "'f'"), ("month", "user", "'u'"), ("day", "total", "")]
    {
        server
            .execute(&format!("INSERT INTO rollups (granularity, set, window_start, values, generation, revision, is_final, events, calls, cost) VALUES ('{granularity}', '{set}', {at}, [{values}], 0, 1, false, 1, 0, '{cost}')"))
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conversion_rounds_half_to_even_and_never_clamps() {
    let server = database("analysts_rounding").await;
    let rates = "[[rate]]\ncurrency = \"HLF\"\nper_usd = \"0.5\"\nfrom = 2023-01-01T00:00:00Z\n[[rate]]\ncurrency = \"BIG\"\nper_usd = \"99999999999\"\nfrom = 2023-01-01T00:00:00Z\n";
    server.publish_rates(&Rates::parse_all(&[("r", rates)]).unwrap(), "UTC").await.unwrap();
    for (units, half) in
        [("1", "0"), ("3", "0.000000000000000002"), ("5", "0.000000000000000002"), ("-1", "0"), ("-3", "-0.000000000000000002")]
    {
        server.execute("TRUNCATE TABLE rollups").await.unwrap();
        let sign = if units.starts_with('-') { "-" } else { "" };
        one_window(&server, &format!("{sign}0.00000000000000000{}", units.trim_start_matches('-')), "toStartOfHour(now())").await;
        assert_eq!(text(&server, "SELECT cost FROM spend(granularity = 'hour', set = 'total', currency = 'hlf')").await, half, "{units}");
    }
    server.execute("TRUNCATE TABLE rollups").await.unwrap();
    one_window(&server, "90000000000000000000.5", "toStartOfHour(now())").await;
    assert_eq!(text(&server, "SELECT cost, cost_per_call FROM feature_cost_summary").await, "90000000000000000000.5\t\\N");
    let error = server.query_rows("SELECT cost FROM feature_cost_summary_in(currency = 'BIG')", "TabSeparated").await.unwrap_err();
    assert_eq!(error.code(), Some(407), "{error}");
    let types = text(&server, "SELECT DISTINCT type FROM system.columns WHERE database = 'analysts_rounding' AND name IN ('cost', 'revenue', 'margin', 'cost_per_call', 'BilledCost', 'spent', 'limit', 'remaining') ORDER BY type").await;
    assert_eq!(types, "Decimal(38, 18)\nNullable(Decimal(38, 18))");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_without_a_rate_makes_a_sum_unknown_and_not_smaller() {
    let server = database("analysts_unrated").await;
    server.publish_rates(&rates(), "UTC").await.unwrap();
    one_window(&server, "2", "toStartOfHour(now())").await;
    let sums = "SELECT cost FROM feature_cost_summary_in(currency = 'EUR') UNION ALL SELECT spent FROM month_forecast(scope = 'total', currency = 'EUR')";
    let thresholds = "SELECT current, is_reached FROM check_cost_threshold(currency = 'EUR', monthly_limit = '1.9', user_monthly_limit = '1.9', hourly_limit = '1.9') WHERE current != 0 OR current IS NULL";
    assert_eq!(text(&server, thresholds).await.lines().count(), 3);
    assert_eq!(text(&server, sums).await, "1.9\n1.9");
    let late = "[[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.95\"\nfrom = 2099-01-01T00:00:00Z\n";
    server.publish_rates(&Rates::parse_all(&[("r", late)]).unwrap(), "UTC").await.unwrap();
    assert_eq!(text(&server, sums).await, "\\N\n\\N");
    assert!(text(&server, thresholds).await.lines().all(|line| line == "\\N\t\\N"));
    assert_eq!(text(&server, "SELECT cost FROM feature_cost_summary_in(currency = 'ZZZ')").await, "\\N");
    // Only the older of two windows is without one.
    one_window(&server, "2", "toStartOfHour(now()) - INTERVAL 3 HOUR").await;
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let hour = schemas::Timestamp::from_micros(i64::try_from((seconds - seconds % 3600 - 3600) * 1_000_000).unwrap());
    let since_then = format!("[[rate]]\ncurrency = \"EUR\"\nper_usd = \"0.95\"\nfrom = {hour}\n");
    server.publish_rates(&Rates::parse_all(&[("r", &since_then)]).unwrap(), "UTC").await.unwrap();
    assert_eq!(text(&server, "SELECT events, cost, cost_per_call FROM feature_cost_summary_in(currency = 'EUR')").await, "2\t\\N\t\\N");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_is_reached_at_exactly_its_amount() {
    let server = database("analysts_threshold").await;
    server.publish_rates(&rates(), "UTC").await.unwrap();
    one_window(&server, "2", "toStartOfHour(now())").await;
    let reached = |limit: &str| {
        format!(
            "SELECT groupArray((check, is_reached)) FROM (SELECT check, is_reached FROM check_cost_threshold(currency = 'KRW', monthly_limit = '{limit}', user_monthly_limit = '{limit}', hourly_limit = '{limit}') WHERE current > 0 ORDER BY check)"
        )
    };
    assert_eq!(text(&server, &reached("2761")).await, "[('hourly_spike',1),('monthly_total',1),('user_month',1)]");
    assert_eq!(text(&server, &reached("2761.000000000000000001")).await, "[('hourly_spike',0),('monthly_total',0),('user_month',0)]");
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_those_of_the_last_start_and_written_only_when_they_change() {
    let server = database("analysts_rates").await;
    let shown = "SELECT groupArray((currency, toString(per_usd), valid_to IS NULL)) FROM (SELECT * FROM exchange_rates ORDER BY currency, valid_from)";
    assert_eq!(text(&server, shown).await, "[('USD','1',1)]");
    for _ in 0..2 {
        server.publish_rates(&rates(), "UTC").await.unwrap();
        assert_eq!(text(&server, shown).await, "[('EUR','0.92',0),('EUR','0.95',1),('KRW','1380.5',1),('USD','1',1)]");
        assert_eq!(text(&server, "SELECT count() FROM exchange_rate_rows").await, "4");
    }
    server.publish_rates(&Rates::default(), "UTC").await.unwrap();
    assert_eq!(text(&server, shown).await, "[('USD','1',1)]");
    let (again, other) = (rates(), Rates::default());
    let (one, two) = tokio::join!(server.publish_rates(&again, "UTC"), server.publish_rates(&again, "UTC"));
    one.unwrap();
    two.unwrap();
    assert_eq!(text(&server, shown).await, "[('EUR','0.92',0),('EUR','0.95',1),('KRW','1380.5',1),('USD','1',1)]");
    // The business month of another zone begins at another instant.
    for (zone, offset) in [("Asia/Seoul", "15"), ("Asia/Kathmandu", "18"), ("UTC", "0")] {
        server.publish_rates(&other, zone).await.unwrap();
        assert_eq!(text(&server, "SELECT time_zone, toHour(month_start), month_start <= now() AND now() < next_month_start AND day_start <= now() FROM business_time").await, format!("{zone}\t{offset}\t1"));
    }
    let views = server.migrate(&GroupingSet::defaults()).await.unwrap().views;
    assert!(views.is_empty(), "{views:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_which_set_counts_a_budget() {
    let server = database("analysts_definitions").await;
    let shown = "SELECT budget, `set`, is_rolling FROM budget_definitions ORDER BY budget";
    server.publish_budgets(&[]).await.unwrap();
    assert_eq!(text(&server, shown).await, "");
    let budget = |name: &str, set: &str, is_rolling| CountedBudget { name: name.to_owned(), set: set.to_owned(), is_rolling };
    let budgets = [budget("it's \\ mine", "budget:it's \\ mine", true), budget("llm-daily", "total", false)];
    for _ in 0..2 {
        server.publish_budgets(&budgets).await.unwrap();
        let rows = server.query_rows(shown, "JSONCompactEachRow").await.unwrap();
        assert_eq!(rows, "[\"it's \\\\ mine\", \"budget:it's \\\\ mine\", true]\n[\"llm-daily\", \"total\", false]\n");
    }
    server.publish_budgets(&budgets[1..]).await.unwrap();
    assert_eq!(text(&server, shown).await, "llm-daily\ttotal\tfalse");
}

#[tokio::test(flavor = "multi_thread")]
async fn rhythm_and_budgets_are_right_under_a_plain_select() {
    let server = database("analysts_rhythm").await;
    server.execute("INSERT INTO rhythm_rows (scope, hour, coherence, state, state_code, revision) VALUES ('total', '2026-11-22 10:00:00', 0.9, 'RESONANT', 2, 2)").await.unwrap();
    server.execute("INSERT INTO rhythm_rows (scope, hour, coherence, state, state_code, revision) VALUES ('total', '2026-11-22 10:00:00', 0.1, 'CHAOTIC', 0, 1)").await.unwrap();
    assert_eq!(text(&server, "SELECT scope, coherence, phase, state, state_code FROM rhythm").await, "total\t0.9\t\\N\tRESONANT\t2");
    for (start, end, spent, projection) in
        [("2 HOUR", "2 HOUR", "60", "120"), ("1 DAY", "1 HOUR", "80", "80"), ("30 HOUR", "24 HOUR", "1", "1")]
    {
        let sign = if spent == "60" { '+' } else { '-' };
        server.execute(&format!("INSERT INTO budget_rows VALUES ('b', '', 'p', now() - INTERVAL {start}, now() {sign} INTERVAL {end}, 'USD', '{spent}', '100', '{projection}', '', 1)")).await.unwrap();
    }
    let row = "SELECT spent, remaining, ratio, round(elapsed_ratio, 2), projected_ratio, round(dateDiff('second', period_start, exceeded_at) / 120), is_running FROM budget_forecast";
    assert_eq!(text(&server, row).await, "60\t40\t0.6\t0.5\t1.2\t100\t1");
}

#[tokio::test(flavor = "multi_thread")]
async fn focus_has_the_mandatory_columns_and_the_whole_spend() {
    let server = filled().await;
    // FOCUS 1.2, feature level mandatory and null not allowed.
    let mandatory = "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargePeriodEnd,ChargePeriodStart,\
        ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,ProviderName,PublisherName,ServiceCategory,ServiceName";
    for column in mandatory.split(',') {
        assert_eq!(
            text(
                &server,
                &format!("SELECT countIf({column} IS NULL), isNullable(any({column})), countIf(toString({column}) = '') FROM focus")
            )
            .await,
            "0\t0\t0",
            "{column}"
        );
    }
    assert_equal(
        &server,
        "SELECT ChargeCategory, count(), sum(BilledCost), countIf(PricingQuantity * ListUnitPrice != ListCost), countIf((ConsumedQuantity IS NULL) != (ChargeCategory != 'Usage')) FROM focus GROUP BY ALL ORDER BY ALL",
        "SELECT if(cost < 0, 'Credit', 'Usage') AS c, count(), sum(cost), 0, 0 FROM usage_event_rows GROUP BY c ORDER BY c",
    )
    .await;
    assert_eq!(text(&server, "SELECT count() FROM focus WHERE NOT (ChargePeriodStart <= x_OccurredAt AND x_OccurredAt < ChargePeriodEnd AND BillingPeriodStart <= ChargePeriodStart AND ChargePeriodEnd <= BillingPeriodEnd)").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_is_kept_for_a_time_and_days_and_months_for_ever() {
    let server = database("analysts_retention").await;
    for (table, days) in [
        ("usage_event_rows", 1100),
        ("budget_rows", 3660),
        ("alert_rows", 3660),
        ("rhythm_rows", 3660),
        ("anomaly_rows", 3660),
        ("pace_rows", 3660),
        ("rollups", 1100),
    ] {
        let statement = text(
            &server,
            &format!("SELECT create_table_query FROM system.tables WHERE database = 'analysts_retention' AND name = '{table}'"),
        )
        .await;
        assert!(statement.contains("TTL ") && statement.contains(&format!("toIntervalDay({days})")), "{statement}");
    }
    for at in ["2010-03-01 00:00:00", "now()"] {
        let at = if at == "now()" { at.to_owned() } else { format!("'{at}'") };
        for granularity in ["quarter_hour", "hour", "day", "month"] {
            server.execute(&format!("INSERT INTO rollups (granularity, set, window_start, values, generation, revision, events) VALUES ('{granularity}', 'total', {at}, [], 0, 1, 1)")).await.unwrap();
        }
    }
    server.execute("OPTIMIZE TABLE rollups FINAL").await.unwrap();
    assert_eq!(text(&server, "SELECT groupArray((granularity, n)) FROM (SELECT granularity, count() AS n FROM rollups GROUP BY granularity ORDER BY granularity)").await, "[('quarter_hour',1),('hour',1),('day',2),('month',2)]");
}

/// What `scripts/check-stack.sh panels` says of a database.
async fn panels(name: &str, more: &[&str]) -> (bool, String) {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/check-stack.sh");
    let mut command = std::process::Command::new(script);
    command.args(["panels", "--url", &options(name).url, "--database", name]).args(more);
    command.env("CLICKHOUSE_USER", "default").env("CLICKHOUSE_PASSWORD", PASSWORD);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_alert_rule_of_grafana_equals_its_recount_and_a_wrong_digit_is_found() {
    let name = "analysts_panels";
    fill(name).await;
    let server = ClickHouse::new(options(name)).unwrap();
    for insert in [
        "INSERT INTO shard_accounts VALUES ('usage-events', 0, 0, 2, 0, 30000, 29990, 10, 0, 0, 0, 0, 2), ('usage-events', 0, 1, 2, 0, 29000, 28990, 10, 0, 0, 0, 0, 1)",
        "INSERT INTO budget_rows SELECT 'daily-' || toString(number % 3), '', 'p', toStartOfDay(now()) - INTERVAL number DAY, toStartOfDay(now()) - INTERVAL number - 1 DAY,
            'USD', 10 + number, 20, 15 + number, '', 1 FROM numbers(10)",
        "INSERT INTO budget_rows SELECT 'monthly', '', 'p', toStartOfMonth(now()), toStartOfMonth(now()) + INTERVAL 1 MONTH, 'KRW', 10 + r, 20, 40, 'warning', r FROM (SELECT arrayJoin([2, 1]) AS r)",
        "INSERT INTO alert_rows SELECT 'id-' || toString(number % 90), 'rule-' || toString(number % 7), '', 'p-' || toString(number % 30), ['warning', 'critical'][1 + number % 2],
            ['fired', 'escalated', 'resolved'][1 + number % 3], 1, number % 90, NULL, 'USD', now() - INTERVAL 3600 + 7000 * (number % 90) SECOND, '{\"explanation\":\"because\"}', '' FROM numbers(180)",
    ] {
        server.execute(insert).await.unwrap();
    }
    let (is_right, said) = panels(name, &["--plant-rhythm"]).await;
    assert!(is_right && said.contains("0 differ"), "{said}");
    for (wrong, panel) in [
        (
            "INSERT INTO rollups SELECT * REPLACE (cost + toDecimal128('0.001', 18) AS cost, revision + 1 AS revision) FROM rollups FINAL
            WHERE granularity = 'hour' AND set = 'team' ORDER BY window_start DESC LIMIT 1 OFFSET 3",
            "Spend by team",
        ),
        (
            // On the first of a month none may have spent yet.
            "INSERT INTO rollups SELECT * REPLACE (toStartOfMonth(now()) AS window_start, cost + toDecimal128('0.001', 18) AS cost, revision + 1 AS revision)
            FROM rollups FINAL WHERE granularity = 'month' AND set = 'user' ORDER BY window_start DESC, cost DESC LIMIT 1",
            "cr-krw-user",
        ),
    ] {
        server.execute(wrong).await.unwrap();
        let (is_right, said) = panels(name, &[]).await;
        assert!(!is_right && said.contains(panel), "{said}");
    }
}

const PAGE: &str = include_str!("../../../docs/ANALYSTS.md");

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_page_runs_and_every_column_is_on_it() {
    let server = filled().await;
    let indented: Vec<&str> = PAGE.lines().map(|line| line.strip_prefix("    ").unwrap_or("")).collect();
    let queries: Vec<String> = indented.join("\n").split(";\n").map(|query| query.trim().replace("cost_rhythm.", "analysts.")).collect();
    let mut asked = 0;
    for query in queries.iter().filter(|query| query.starts_with("SELECT")) {
        server.query_rows(query, "TabSeparated").await.unwrap_or_else(|error| panic!("{query}: {error}"));
        asked += 1;
    }
    assert!(asked >= 13, "{asked} queries found");
    for view in [
        "feature_cost_summary",
        "feature_margin",
        "realtime_cost_monitor",
        "model_performance_comparison",
        "user_monthly_cost",
        "check_cost_threshold(currency = 'USD', monthly_limit = '1', user_monthly_limit = '1', hourly_limit = '1')",
        "month_forecast(scope = 'total', currency = 'USD')",
        "spend(granularity = 'hour', set = 'total', currency = 'USD')",
        "spend_of(granularity = 'hour', scope = 'total', currency = 'USD')",
        "scopes",
        "budgets",
        "budget_forecast",
        "budget_pace",
        "incidents",
        "anomalies",
        "exchange_rates",
        "business_time",
        "rhythm",
        "alerts",
        "focus",
    ] {
        for line in text(&server, &format!("DESCRIBE TABLE (SELECT * FROM {view})")).await.lines() {
            let column = line.split('\t').next().unwrap();
            assert!(PAGE.contains(&format!("`{column}`")), "{view}: {column} is not in docs/ANALYSTS.md");
        }
    }
}

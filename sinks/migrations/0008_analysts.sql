-- Views for analysts (docs/ANALYSTS.md describes every column). Each stands once in US dollars and once, with `_in(currency = 'KRW')`,
-- in any currency that has a rate. Views with parameters are called with the database's name, which is filled in, because nothing else says
-- where they are to a reader whose current database is another one. A sum of windows of which one has no rate is NULL: an amount that nobody knows is not a smaller
-- amount. Amounts per call are exact quotients rounded to 18 decimals, NULL without calls. Only ratios are floating point.

-- What every feature cost in the last 30 days, by whole hours (UTC), the running one included.
CREATE OR REPLACE VIEW feature_cost_summary_in AS
SELECT
    s.value AS feature,
    any(s.currency) AS currency,
    sum(s.events) AS events,
    sum(s.calls) AS calls,
    sum(s.errors) AS errors,
    sum(s.unpriced_events) AS unpriced_events,
    sum(s.uncached_input_tokens) AS uncached_input_tokens,
    sum(s.cache_read_tokens) AS cache_read_tokens,
    sum(s.cache_write_tokens) AS cache_write_tokens,
    sum(s.output_tokens) AS output_tokens,
    sum(s.reasoning_tokens) AS reasoning_tokens,
    if(countIf(s.cost IS NULL) > 0, NULL, sum(s.cost)) AS cost,
    toDecimal128(roundBankers(toDecimal256(cost, 36) / nullIf(calls, 0), 18), 18) AS cost_per_call,
    toFloat64(cost) / nullIf(toFloat64(sum(cost) OVER ()), 0) AS cost_share,
    errors / nullIf(calls, 0) AS failure_rate,
    toFloat64(sum(s.latency_ms_sum)) / nullIf(sum(s.latency_count), 0) AS latency_ms_average,
    min(s.first_event_at) AS first_event_at,
    max(s.last_event_at) AS last_event_at
FROM {database}.spend(granularity = 'hour', set = 'feature', currency = {currency:String}) AS s
WHERE s.window_start > now() - INTERVAL 30 DAY AND s.window_start <= now()
GROUP BY feature;

CREATE OR REPLACE VIEW feature_cost_summary AS
SELECT * FROM {database}.feature_cost_summary_in(currency = 'USD');

-- What every feature brought in and cost in the last 30 days, by whole hours (UTC).
CREATE OR REPLACE VIEW feature_margin_in AS
SELECT
    s.value AS feature,
    any(s.currency) AS currency,
    sum(s.events) AS events,
    sum(s.calls) AS calls,
    sum(s.unpriced_events) AS unpriced_events,
    if(countIf(s.revenue IS NULL) > 0, NULL, sum(s.revenue)) AS revenue,
    if(countIf(s.cost IS NULL) > 0, NULL, sum(s.cost)) AS cost,
    revenue - cost AS margin,
    toFloat64(margin) / nullIf(toFloat64(revenue), 0) AS margin_ratio,
    toDecimal128(roundBankers(toDecimal256(revenue, 36) / nullIf(calls, 0), 18), 18) AS revenue_per_call,
    toDecimal128(roundBankers(toDecimal256(cost, 36) / nullIf(calls, 0), 18), 18) AS cost_per_call,
    toDecimal128(roundBankers(toDecimal256(margin, 36) / nullIf(calls, 0), 18), 18) AS margin_per_call
FROM {database}.spend(granularity = 'hour', set = 'feature', currency = {currency:String}) AS s
WHERE s.window_start > now() - INTERVAL 30 DAY AND s.window_start <= now()
GROUP BY feature;

CREATE OR REPLACE VIEW feature_margin AS
SELECT * FROM {database}.feature_margin_in(currency = 'USD');

-- The last 24 hours (UTC), the running one included; an hour without events has a row of zeros.
CREATE OR REPLACE VIEW realtime_cost_monitor_in AS
SELECT
    h.window_start AS window_start,
    upper({currency:String}) AS currency,
    s.events AS events,
    s.calls AS calls,
    s.errors AS errors,
    s.unpriced_events AS unpriced_events,
    s.uncached_input_tokens + s.cache_read_tokens + s.cache_write_tokens + s.output_tokens + s.reasoning_tokens AS tokens,
    if(s.events = 0, toDecimal128(0, 18), s.cost) AS cost,
    toDecimal128(roundBankers(toDecimal256(cost, 36) / nullIf(calls, 0), 18), 18) AS cost_per_call,
    if(d.events = 0, toDecimal128(0, 18), d.cost) AS cost_day_before,
    toFloat64(cost) / nullIf(toFloat64(cost_day_before), 0) - 1 AS change_from_day_before,
    errors / nullIf(calls, 0) AS failure_rate,
    toFloat64(s.latency_ms_sum) / nullIf(s.latency_count, 0) AS latency_ms_average,
    h.window_start + INTERVAL 1 HOUR <= now() AS is_over,
    if(s.events = 0, NULL, s.last_event_at) AS last_event_at
FROM (SELECT toStartOfHour(toDateTime(now(), 'UTC')) - INTERVAL number HOUR AS window_start FROM numbers(24)) AS h
LEFT JOIN (
    SELECT * FROM {database}.spend(granularity = 'hour', set = 'total', currency = {currency:String})
    WHERE window_start > now() - INTERVAL 25 HOUR AND window_start <= now()
) AS s ON s.window_start = h.window_start
LEFT JOIN (
    SELECT y.window_start + INTERVAL 1 DAY AS next_day, y.events AS events, y.cost AS cost
    FROM {database}.spend(granularity = 'hour', set = 'total', currency = {currency:String}) AS y
    WHERE y.window_start > now() - INTERVAL 49 HOUR AND y.window_start <= now() - INTERVAL 1 DAY
) AS d ON d.next_day = h.window_start;

CREATE OR REPLACE VIEW realtime_cost_monitor AS
SELECT * FROM {database}.realtime_cost_monitor_in(currency = 'USD');

-- Every model of every provider in the last 7 days, by whole hours (UTC), the running one included.
CREATE OR REPLACE VIEW model_performance_comparison_in AS
SELECT
    s.value AS provider,
    s.second_value AS model,
    any(s.currency) AS currency,
    sum(s.events) AS events,
    sum(s.calls) AS calls,
    sum(s.errors) AS errors,
    sum(s.unpriced_events) AS unpriced_events,
    errors / nullIf(calls, 0) AS failure_rate,
    toFloat64(sum(s.latency_ms_sum)) / nullIf(sum(s.latency_count), 0) AS latency_ms_average,
    max(s.latency_ms_max) AS latency_ms_max,
    sum(s.latency_count) AS latency_count,
    sum(s.uncached_input_tokens) AS uncached_input_tokens,
    sum(s.cache_read_tokens) AS cache_read_tokens,
    sum(s.cache_write_tokens) AS cache_write_tokens,
    sum(s.output_tokens) AS output_tokens,
    sum(s.reasoning_tokens) AS reasoning_tokens,
    uncached_input_tokens + cache_read_tokens + cache_write_tokens + output_tokens + reasoning_tokens AS tokens,
    toFloat64(tokens) / nullIf(calls, 0) AS tokens_per_call,
    if(countIf(s.cost IS NULL) > 0, NULL, sum(s.cost)) AS cost,
    toDecimal128(roundBankers(toDecimal256(cost, 36) / nullIf(calls, 0), 18), 18) AS cost_per_call,
    toDecimal128(roundBankers(toDecimal256(cost, 36) * 1000000 / nullIf(tokens, 0), 18), 18) AS cost_per_million_tokens,
    toFloat64(cost) / nullIf(toFloat64(sum(cost) OVER ()), 0) AS cost_share,
    min(s.first_event_at) AS first_event_at,
    max(s.last_event_at) AS last_event_at
FROM {database}.spend(granularity = 'hour', set = 'model', currency = {currency:String}) AS s
WHERE s.window_start > now() - INTERVAL 7 DAY AND s.window_start <= now()
GROUP BY provider, model;

CREATE OR REPLACE VIEW model_performance_comparison AS
SELECT * FROM {database}.model_performance_comparison_in(currency = 'USD');

-- Every user by business month. A filter on `window_start` or `user_id` reaches the index, one on `month` does not.
CREATE OR REPLACE VIEW user_monthly_cost_in AS
SELECT
    toDate(toStartOfMonth(s.window_start + INTERVAL 15 DAY, 'UTC')) AS month,
    s.window_start AS window_start,
    s.value AS user_id,
    s.currency AS currency,
    s.events AS events,
    s.calls AS calls,
    s.errors AS errors,
    s.unpriced_events AS unpriced_events,
    s.uncached_input_tokens + s.cache_read_tokens + s.cache_write_tokens + s.output_tokens + s.reasoning_tokens AS tokens,
    s.cost AS cost,
    toDecimal128(roundBankers(toDecimal256(s.cost, 36) / nullIf(s.calls, 0), 18), 18) AS cost_per_call,
    s.revenue AS revenue,
    s.first_event_at AS first_event_at,
    s.last_event_at AS last_event_at
FROM {database}.spend(granularity = 'month', set = 'user', currency = {currency:String}) AS s;

CREATE OR REPLACE VIEW user_monthly_cost AS
SELECT * FROM {database}.user_monthly_cost_in(currency = 'USD');

-- Three limits in one question, reached at >=, on the running business month and hour:
-- `check_cost_threshold(currency = 'KRW', monthly_limit = '500000', user_monthly_limit = '500', hourly_limit = '50000')`. Limits stand in
-- quotes: a bare number with a fraction passes through floating point. The hour before is there too, because it may still be growing.
CREATE OR REPLACE VIEW check_cost_threshold AS
SELECT
    c.`check` AS `check`,
    c.scope AS scope,
    c.window_start AS window_start,
    upper({currency:String}) AS currency,
    c.current AS current,
    c.threshold AS threshold,
    toFloat64(c.current) / nullIf(toFloat64(c.threshold), 0) AS ratio,
    c.current >= c.threshold AS is_reached
FROM (
    SELECT
        'monthly_total' AS `check`,
        'total' AS scope,
        assumeNotNull((SELECT month_start FROM business_time)) AS window_start,
        if(countIf(s.cost IS NULL) > 0, NULL, ifNull(sum(s.cost), toDecimal128(0, 18))) AS current,
        {monthly_limit:Decimal(38, 18)} AS threshold
    FROM {database}.spend(granularity = 'quarter_hour', set = 'total', currency = {currency:String}) AS s
    WHERE s.window_start >= assumeNotNull((SELECT month_start FROM business_time))
        AND s.window_start <= now()
    UNION ALL
    SELECT 'user_month', concat('user_id=', replaceRegexpAll(s.value, '([,=\\\\])', '\\\\\\1')), s.window_start, s.cost, {user_monthly_limit:Decimal(38, 18)}
    FROM {database}.spend(granularity = 'month', set = 'user', currency = {currency:String}) AS s
    WHERE s.window_start >= assumeNotNull((SELECT month_start FROM business_time))
        AND s.window_start <= now()
    UNION ALL
    SELECT 'hourly_spike', 'total', h.window_start, if(s.events = 0, toDecimal128(0, 18), s.cost), {hourly_limit:Decimal(38, 18)}
    FROM (SELECT toStartOfHour(toDateTime(now(), 'UTC')) - INTERVAL number HOUR AS window_start FROM numbers(2)) AS h
    LEFT JOIN (
        SELECT * FROM {database}.spend(granularity = 'hour', set = 'total', currency = {currency:String})
        WHERE window_start > now() - INTERVAL 2 HOUR AND window_start <= now()
    ) AS s ON s.window_start = h.window_start
) AS c;

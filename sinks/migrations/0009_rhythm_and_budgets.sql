-- The rhythm of every watched scope by the hour. Its table had neither a revision nor a reader, and no program has written to it: the view
-- takes its name, so that a plain SELECT is right.
CREATE TABLE IF NOT EXISTS rhythm_rows (
    scope String,
    hour DateTime('UTC'),
    actual Nullable(Decimal(38, 18)),
    expected Nullable(Decimal(38, 18)),
    coherence Nullable(Float64),
    phase Nullable(Float64),
    entropy Nullable(Float64),
    state LowCardinality(String),
    state_code Nullable(Int8),
    revision Int64
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(hour)
ORDER BY (scope, hour)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW rhythm AS
SELECT
    r.scope AS scope,
    r.hour AS hour,
    r.coherence AS coherence,
    r.phase AS phase,
    r.entropy AS entropy,
    r.state AS state,
    r.state_code AS state_code,
    r.actual AS actual,
    r.expected AS expected
FROM rhythm_rows AS r FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Every budget and scope in its newest period: how far the period is, what is left, where it ends and when the limit is reached, on the straight line that
-- `projection` is. `exceeded_at` is NULL when that is not within the period, or has happened already.
CREATE OR REPLACE VIEW budget_forecast AS
SELECT
    b.budget AS budget,
    b.scope AS scope,
    b.period AS period,
    b.period_start AS period_start,
    b.period_end AS period_end,
    b.currency AS currency,
    b.spent AS spent,
    b.`limit` AS `limit`,
    b.`limit` - b.spent AS remaining,
    b.ratio AS ratio,
    least(1, greatest(0, dateDiff('second', b.period_start, now()) / dateDiff('second', b.period_start, b.period_end))) AS elapsed_ratio,
    b.`projection` AS `projection`,
    toFloat64(b.`projection`) / nullIf(toFloat64(b.`limit`), 0) AS projected_ratio,
    if(b.spent < b.`limit` AND b.`projection` >= b.`limit`,
        b.period_start + toIntervalSecond(toInt64(dateDiff('second', b.period_start, b.period_end) * toFloat64(b.`limit`) / toFloat64(b.`projection`))),
        NULL) AS exceeded_at,
    b.level AS level,
    b.period_end > now() AS is_running
FROM (
    SELECT * FROM budgets ORDER BY period_start DESC LIMIT 1 BY budget, scope
) AS b;

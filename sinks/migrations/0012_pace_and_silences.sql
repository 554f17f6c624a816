-- Where every projected budget will end, as it looked after each closed hour: the forecast with its range, the straight line beside it, the recommended
-- action and what that rests on.
CREATE TABLE IF NOT EXISTS pace_rows (
    budget String,
    scope String,
    period String,
    period_start DateTime('UTC'),
    period_end DateTime('UTC'),
    hour DateTime('UTC'),
    currency LowCardinality(String),
    spent Decimal(38, 18),
    `limit` Decimal(38, 18),
    forecast Decimal(38, 18),
    low Decimal(38, 18),
    high Decimal(38, 18),
    straight_line Decimal(38, 18),
    exceeded_at Nullable(DateTime('UTC')),
    action LowCardinality(String),
    confidence Nullable(Float64),
    gate_score Nullable(Float64),
    roi Nullable(Float64),
    slo Nullable(Float64),
    age_days Nullable(Float64),
    state LowCardinality(String),
    revision Int64
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(hour)
ORDER BY (budget, scope, hour)
TTL hour + INTERVAL 3660 DAY DELETE
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW budget_pace AS
SELECT
    p.budget AS budget,
    p.scope AS scope,
    p.period AS period,
    p.period_start AS period_start,
    p.period_end AS period_end,
    p.hour AS hour,
    p.currency AS currency,
    p.spent AS spent,
    p.`limit` AS `limit`,
    p.forecast AS forecast,
    p.low AS low,
    p.high AS high,
    toFloat64(p.forecast) / nullIf(toFloat64(p.`limit`), 0) AS forecast_ratio,
    p.straight_line AS straight_line,
    p.exceeded_at AS exceeded_at,
    p.state AS state,
    p.action AS action,
    p.confidence AS confidence,
    p.gate_score AS gate_score,
    p.roi AS roi,
    p.slo AS slo,
    p.age_days AS age_days
FROM pace_rows AS p FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Why an alert was not sent to the topic; empty: it was.
ALTER TABLE alert_rows ADD COLUMN IF NOT EXISTS silenced String DEFAULT '';

CREATE OR REPLACE VIEW alerts AS SELECT * FROM alert_rows FINAL;

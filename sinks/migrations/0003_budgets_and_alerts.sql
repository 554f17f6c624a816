-- Where every budget stands, and every alert event.
CREATE TABLE IF NOT EXISTS budget_rows (
    budget LowCardinality(String),
    scope String,
    period LowCardinality(String),
    period_start DateTime('UTC'),
    period_end DateTime('UTC'),
    currency LowCardinality(String),
    spent Decimal(38, 18),
    `limit` Decimal(38, 18),
    `projection` Nullable(Decimal(38, 18)),
    level LowCardinality(String),
    revision Int64
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (budget, scope, period_start)
SETTINGS non_replicated_deduplication_window = 1000;

-- `ratio` is for gauges and the only floating point number here; the amounts it is made of stand beside it.
CREATE OR REPLACE VIEW budgets AS
SELECT
    b.budget AS budget,
    b.scope AS scope,
    b.period AS period,
    b.period_start AS period_start,
    b.period_end AS period_end,
    b.currency AS currency,
    b.spent AS spent,
    b.`limit` AS `limit`,
    if(b.`limit` = 0, NULL, toFloat64(b.spent) / toFloat64(b.`limit`)) AS ratio,
    b.`projection` AS `projection`,
    b.level AS level
FROM budget_rows AS b FINAL;

CREATE TABLE IF NOT EXISTS alert_rows (
    id String,
    rule LowCardinality(String),
    scope String,
    period LowCardinality(String),
    level LowCardinality(String),
    state LowCardinality(String),
    threshold Nullable(Decimal(38, 18)),
    current Nullable(Decimal(38, 18)),
    previous Nullable(Decimal(38, 18)),
    currency LowCardinality(String),
    occurred_at DateTime64(6, 'UTC'),
    data String
)
ENGINE = ReplacingMergeTree
ORDER BY id
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW alerts AS SELECT * FROM alert_rows FINAL;

-- One row per counted event. The hour stands before the offset so that a filter on time reads little; an offset has one
-- time for ever, so the key is still unique per offset.
CREATE TABLE IF NOT EXISTS usage_event_rows (
    topic LowCardinality(String),
    `partition` Int32,
    `offset` Int64,
    event_id String,
    source LowCardinality(String),
    occurred_at DateTime64(6, 'UTC'),
    kind Enum8('llm' = 0, 'cost' = 1, 'adjustment' = 2),
    adjusts String,
    provider LowCardinality(String),
    model LowCardinality(String),
    service LowCardinality(String),
    feature LowCardinality(String),
    route LowCardinality(String),
    task_type LowCardinality(String),
    team LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    cost_center LowCardinality(String),
    user_id String,
    operation LowCardinality(String),
    owner LowCardinality(String),
    tier LowCardinality(String),
    uncached_input_tokens Int64,
    cache_read_tokens Int64,
    cache_write_5m_tokens Int64,
    cache_write_1h_tokens Int64,
    output_tokens Int64,
    reasoning_tokens Int64,
    amount Nullable(Decimal(38, 18)),
    currency LowCardinality(String),
    cost Decimal(38, 18),
    cost_status Enum8('priced' = 0, 'reported' = 1, 'unpriced' = 2, 'amount' = 3),
    price_version LowCardinality(String),
    revenue Decimal(38, 18),
    revenue_amount Nullable(Decimal(38, 18)),
    revenue_currency LowCardinality(String),
    latency_ms Nullable(UInt64),
    status LowCardinality(String),
    error_type LowCardinality(String),
    tags Map(LowCardinality(String), String),
    attributes Map(LowCardinality(String), String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toStartOfHour(occurred_at), topic, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW usage_events AS
SELECT * FROM usage_event_rows FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

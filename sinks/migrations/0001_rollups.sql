-- The value of every window of every series of every grouping set, as absolute values.
--
-- Of two rows with the same key the one with the larger revision is right; rows of several generations of a window add up.
-- Readers use the views (`hourly_by_model`, ...), which do both.
--
-- `values[1]` and `values[2]` stand in the key as expressions, so that a filter on a view's dimension columns reaches the
-- primary index; `values` itself makes the key unique.
CREATE TABLE IF NOT EXISTS rollups (
    granularity Enum8('quarter_hour' = 1, 'hour' = 2, 'day' = 3, 'month' = 4),
    `set` LowCardinality(String),
    window_start DateTime('UTC'),
    `values` Array(String),
    generation Int64,
    revision Int64,
    is_final Bool,
    events UInt64,
    calls UInt64,
    errors UInt64,
    unpriced_events UInt64,
    uncached_input_tokens Int128,
    cache_read_tokens Int128,
    cache_write_tokens Int128,
    output_tokens Int128,
    reasoning_tokens Int128,
    cost Decimal(38, 18),
    credit Decimal(38, 18),
    revenue Decimal(38, 18),
    latency_count UInt64,
    latency_ms_sum Int128,
    latency_ms_max UInt64,
    first_event_at DateTime64(6, 'UTC'),
    last_event_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(window_start)
ORDER BY (granularity, `set`, window_start, `values`[1], `values`[2], `values`, generation)
SETTINGS non_replicated_deduplication_window = 1000;

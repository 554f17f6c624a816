-- The rhythm of every watched scope by the hour.
CREATE TABLE IF NOT EXISTS rhythm (
    scope String,
    hour DateTime('UTC'),
    coherence Nullable(Float64),
    phase Nullable(Float64),
    entropy Nullable(Float64),
    state LowCardinality(String),
    state_code Nullable(Int8)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (scope, hour);

-- How far each shard (partition of the partials topic) is with each input partition.
CREATE TABLE IF NOT EXISTS shard_accounts (
    topic LowCardinality(String),
    `partition` Int32,
    shard Int32,
    shards Int32,
    first_offset Int64,
    next_offset Int64,
    counted UInt64,
    duplicate UInt64,
    conflict UInt64,
    late UInt64,
    rejected UInt64,
    skipped UInt64,
    revision Int64
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (topic, `partition`, shard)
SETTINGS non_replicated_deduplication_window = 1000;

-- The accounts that all shards have reached: those of the shard that is furthest behind, and none before each has reported.
CREATE OR REPLACE VIEW pipeline_accounts AS
SELECT
    topic,
    `partition`,
    toUInt64(reached.1) AS offsets_in,
    reached.2 AS counted,
    reached.3 AS duplicate,
    reached.4 AS conflict,
    reached.5 AS late,
    reached.6 AS rejected,
    reached.7 AS skipped
FROM (
    SELECT
        a.topic AS topic,
        a.`partition` AS `partition`,
        argMin(
            (a.next_offset - a.first_offset, a.counted, a.duplicate, a.conflict, a.late, a.rejected, a.skipped),
            a.next_offset
        ) AS reached
    FROM shard_accounts AS a FINAL
    GROUP BY topic, `partition`
    HAVING count() = max(a.shards)
);

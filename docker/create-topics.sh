#!/bin/sh
# Creates the topics of Cost Rhythm with the settings they want. Topics that exist are left as they are (`cost-rhythm
# check` says what is wrong with them). Used by docker-compose.yml and by `scripts/kafka.sh topics`.
set -eu

: "${KAFKA_BROKERS:?host:port list of the brokers}"
: "${KAFKA_TOPICS_COMMAND:=/opt/kafka/bin/kafka-topics.sh}"
: "${TOPIC_PREFIX:=}"
: "${TOPIC_PARTITIONS:=6}"
: "${TOPIC_REPLICATION:=1}"
# How long the input can be audited and replayed; state does not depend on it.
: "${USAGE_EVENTS_RETENTION_MS:=604800000}"

# An event has at most 1 MiB; the rest is room for keys and headers.
input_max_bytes=2097152
# A dead letter is its input with `cr_` headers added.
dlq_max_bytes=$((input_max_bytes + 65536))
# One record is a block of cells.
partials_max_bytes=10485760
week_ms=604800000
quarter_ms=7776000000

create() {
    topic=$1
    partitions=$2
    shift 2
    # The command may be several words ("kafka.sh tool ..."): split on purpose.
    # shellcheck disable=SC2086
    $KAFKA_TOPICS_COMMAND --bootstrap-server "$KAFKA_BROKERS" --create --if-not-exists \
        --topic "$TOPIC_PREFIX$topic" --partitions "$partitions" --replication-factor "$TOPIC_REPLICATION" "$@"
}

# LogAppendTime: "in the future" and "late" are judged against the record's time in the log, which producers must not set.
create usage-events "$TOPIC_PARTITIONS" \
    --config message.timestamp.type=LogAppendTime --config cleanup.policy=delete \
    --config max.message.bytes="$input_max_bytes" --config retention.ms="$USAGE_EVENTS_RETENTION_MS"
# By time, never compacted, and much longer than snapshots are apart: recovery reads it again.
create rollup-partials "$TOPIC_PARTITIONS" \
    --config message.timestamp.type=LogAppendTime --config cleanup.policy=delete \
    --config max.message.bytes="$partials_max_bytes" --config retention.ms="$week_ms"
create usage-events-dlq 1 \
    --config message.timestamp.type=LogAppendTime --config cleanup.policy=delete \
    --config max.message.bytes="$dlq_max_bytes" --config retention.ms="$quarter_ms"
create cost-alerts 1 \
    --config message.timestamp.type=LogAppendTime --config cleanup.policy=delete --config retention.ms="$quarter_ms"

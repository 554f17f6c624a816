#!/bin/sh
# Creates the topics of docker/topics.conf with the settings that stand there. Topics that exist are left as they are
# (`cost-rhythm check` says what is wrong with them). Used by docker-compose.yml and by `scripts/kafka.sh topics`.
set -eu

: "${KAFKA_BROKERS:?host:port list of the brokers}"
: "${KAFKA_TOPICS_COMMAND:=/opt/kafka/bin/kafka-topics.sh}"
: "${TOPIC_PREFIX:=}"
: "${TOPIC_PARTITIONS:=6}"
: "${TOPIC_REPLICATION:=1}"
# Another one than that of the list; state does not depend on it.
: "${USAGE_EVENTS_RETENTION_MS:=}"

create() {
    topic=$1
    partitions=$2
    shift 2
    if [ "$partitions" = many ]; then partitions=$TOPIC_PARTITIONS; fi
    for setting in "$@"; do
        shift
        case "$topic:$setting" in
            usage-events:retention.ms=*) setting=retention.ms=${USAGE_EVENTS_RETENTION_MS:-${setting#*=}} ;;
        esac
        set -- "$@" --config "$setting"
    done
    # The command may be several words ("kafka.sh tool ..."): split on purpose. It must not read the list.
    # shellcheck disable=SC2086
    $KAFKA_TOPICS_COMMAND --bootstrap-server "$KAFKA_BROKERS" --create --if-not-exists \
        --topic "$TOPIC_PREFIX$topic" --partitions "$partitions" --replication-factor "$TOPIC_REPLICATION" "$@" </dev/null
}

while read -r topic partitions settings; do
    case "$topic" in
        '' | '#'*) ;;
        # Split on purpose: no setting holds a space.
        # shellcheck disable=SC2086
        *) create "$topic" "$partitions" $settings ;;
    esac
done <"$(dirname "$0")/topics.conf"

#!/usr/bin/env bash
# Apache Kafka (KRaft) and a schema registry on this machine, from Maven artifacts, for tests and local use.
# `scripts/kafka.sh help` says how. A cluster is a directory: everything about it (ports, data, logs, pids) is in
# KAFKA_DIR, so several clusters live side by side and `down` knows exactly what to stop.
# On 127.0.0.1 only, in plain text; with --sasl there is a second listener with TLS and SCRAM-SHA-512 beside it.
set -euo pipefail

readonly KAFKA_VERSION=4.1.1
readonly SCALA_VERSION=2.13
# Kafka's own distribution adds this to its jars; without it Kafka says nothing, not even that it is ready.
readonly LOG4J_VERSION=2.24.3
readonly REGISTRY_VERSION=2.6.13.Final
readonly HOST=127.0.0.1
readonly SASL_USER=cost-rhythm

script_directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(dirname "$script_directory")
cache=${COST_RHYTHM_CACHE:-$HOME/.cache/cost-rhythm}
kafka_home=$cache/kafka/$KAFKA_VERSION
registry_home=$cache/apicurio/$REGISTRY_VERSION

KAFKA_DIR=${KAFKA_DIR:-$project/.cache/kafka}
KAFKA_READY_SECONDS=${KAFKA_READY_SECONDS:-90}
KAFKA_STOP_SECONDS=${KAFKA_STOP_SECONDS:-20}
KAFKA_HEAP=${KAFKA_HEAP:-512m}
REGISTRY_HEAP=${REGISTRY_HEAP:-512m}

usage() {
    cat <<'TEXT'
usage: scripts/kafka.sh COMMAND

  install                        fetch Kafka and the registry into the cache (once per machine)
  up [--nodes N] [--registry] [--sasl]
                                 start a cluster, wait until it serves; again: does nothing, or adds the registry.
                                 --sasl: also listen with TLS (a private authority) and SCRAM-SHA-512; only for a new one
  down [--wipe]                  stop it (SIGTERM, then SIGKILL); --wipe also deletes KAFKA_DIR
  restart [--hard] [--node I]    stop and start the brokers; --hard kills without warning; --node: only this one
  stop-node I [--hard]           stop one broker, start-node I starts it again
  status                         what runs where; exit 0 if all of it runs, 1 if not
  env                            KAFKA_BROKERS, SCHEMA_REGISTRY_URL and, with --sasl, KAFKA_SASL_BROKERS, KAFKA_CA_FILE,
                                 KAFKA_USERNAME and KAFKA_PASSWORD as shell assignments
  topic create NAME [--partitions N] [--replication N] [--config KEY=VALUE]...
  topic list | describe [NAME] | delete NAME
  topics                         create the four topics of Cost Rhythm (settings: docker/topics.conf)
  tool CLASS [ARGUMENT...]       run a class of Kafka's, e.g. org.apache.kafka.tools.consumer.ConsoleConsumer

environment
  KAFKA_DIR            the cluster: data, logs, pids, ports      (.cache/kafka in the project)
  KAFKA_PORT           port of the first broker, 0 = any free    (9092); the next brokers take any free ones
  REGISTRY_PORT        port of the registry, 0 = any free        (8081)
  KAFKA_READY_SECONDS  deadline of `up`                          (90)
  KAFKA_STOP_SECONDS   from SIGTERM to SIGKILL                   (20)
  KAFKA_HEAP, REGISTRY_HEAP                                      (512m)
  COST_RHYTHM_CACHE    where the jars are kept                   (~/.cache/cost-rhythm)
TEXT
}

say() { echo "kafka: $*" >&2; }
fail() {
    echo "kafka: $*" >&2
    exit 1
}

need_commands() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null 2>&1 || fail "'$command' is missing: run scripts/install-deps.sh kafka"
    done
}

need_number() {
    [[ $2 =~ ^[0-9]{1,6}$ ]] || fail "$1 must be a number, found '$2'"
}

# ---------------------------------------------------------------------------------------------------- install

install_kafka() {
    if [[ -f $kafka_home/complete ]]; then return; fi
    need_commands java mvn
    say "fetching Apache Kafka $KAFKA_VERSION (about 55 MB)"
    mkdir -p "$(dirname "$kafka_home")"
    local work
    work=$(mktemp -d "$(dirname "$kafka_home")/.fetch-XXXXXX")
    cat >"$work/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>cost-rhythm</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_$SCALA_VERSION</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$LOG4J_VERSION</version></dependency>
  </dependencies>
</project>
XML
    # Maven itself checks every jar against the checksum beside it (-C: strictly).
    run_maven "$work" -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/libs"
    [[ -f $work/libs/kafka_$SCALA_VERSION-$KAFKA_VERSION.jar ]] || fail "Maven left no Kafka jar in $work/libs"
    touch "$work/complete"
    put_in_place "$work" "$kafka_home"
}

install_registry() {
    if [[ -f $registry_home/complete ]]; then return; fi
    need_commands java mvn tar
    say "fetching the Apicurio schema registry $REGISTRY_VERSION (about 140 MB)"
    mkdir -p "$(dirname "$registry_home")"
    local work
    work=$(mktemp -d "$(dirname "$registry_home")/.fetch-XXXXXX")
    run_maven "$work" dependency:get -Dtransitive=false -Dartifact="io.apicurio:apicurio-registry-app:$REGISTRY_VERSION:tar.gz:all"
    run_maven "$work" dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$REGISTRY_VERSION:tar.gz:all" \
        -DoutputDirectory="$work" -Dmdep.useBaseVersion=true
    tar -xzf "$work/apicurio-registry-app-$REGISTRY_VERSION-all.tar.gz" -C "$work"
    rm "$work/apicurio-registry-app-$REGISTRY_VERSION-all.tar.gz"
    [[ -f $work/apicurio-registry-app-$REGISTRY_VERSION-runner.jar ]] || fail "the registry's archive holds no runner jar"
    touch "$work/complete"
    put_in_place "$work" "$registry_home"
}

run_maven() {
    local work=$1
    shift
    (cd "$work" && mvn -B -q -C "$@" >"$work/maven.log" 2>&1) || {
        tail -n 20 "$work/maven.log" >&2
        rm -rf "$work"
        fail "Maven failed, see above"
    }
}

# Two installs at once end with one of the two equal results.
put_in_place() {
    local work=$1 target=$2
    if [[ -d $target && ! -f $target/complete ]]; then rm -rf "$target"; fi
    if ! mv -T "$work" "$target" 2>/dev/null; then
        rm -rf "$work"
        [[ -f $target/complete ]] || fail "cannot write $target"
    fi
}

# ---------------------------------------------------------------------------------------------------- cluster file

# $KAFKA_DIR/cluster.env, written once by the first `up`: CLUSTER_ID, NODES, BROKER_PORTS, CONTROLLER_PORTS, with --sasl
# SASL_PORTS and SASL_PASSWORD, and REGISTRY_ON once a registry was asked for.
load_cluster() {
    [[ -f $KAFKA_DIR/cluster.env ]] || return 1
    # shellcheck disable=SC1091
    source "$KAFKA_DIR/cluster.env"
    read -r -a broker_ports <<<"$BROKER_PORTS"
    read -r -a controller_ports <<<"$CONTROLLER_PORTS"
    read -r -a sasl_ports <<<"${SASL_PORTS:-}"
}

need_cluster() {
    load_cluster || fail "no cluster in $KAFKA_DIR (KAFKA_DIR): run 'scripts/kafka.sh up' first"
}

brokers() {
    local port list=
    for port in "${broker_ports[@]}"; do list+=${list:+,}$HOST:$port; done
    echo "$list"
}

# Ports below the kernel's range for outgoing connections: what is free now is not taken by a passing client while a
# broker restarts.
free_ports() {
    python3 - "$HOST" "$1" <<'PYTHON'
import random, socket, sys
host, wanted = sys.argv[1], int(sys.argv[2])
taken = []
for port in random.sample(range(20000, 32000), 2000):
    if len(taken) == wanted:
        break
    probe = socket.socket()
    try:
        probe.bind((host, port))
    except OSError:
        probe.close()
        continue
    taken.append(probe)
if len(taken) < wanted:
    sys.exit("no free port found")
print(*(probe.getsockname()[1] for probe in taken))
PYTHON
}

create_cluster() {
    local nodes=$1 sasl=$2 wanted_port=${KAFKA_PORT:-9092} ports
    need_number KAFKA_PORT "$wanted_port"
    mkdir -p "$KAFKA_DIR"
    read -r -a ports < <(free_ports $((3 * nodes)))
    [[ ${#ports[@]} -eq $((3 * nodes)) ]] || fail "no free ports for $nodes brokers"
    broker_ports=("${ports[@]:0:nodes}")
    controller_ports=("${ports[@]:nodes:nodes}")
    sasl_ports=()
    SASL_PASSWORD=
    if [[ -n $sasl ]]; then
        sasl_ports=("${ports[@]:2*nodes}")
        SASL_PASSWORD=$(openssl rand -hex 16)
        create_certificates
    fi
    if [[ $wanted_port -ne 0 ]]; then broker_ports[0]=$wanted_port; fi
    CLUSTER_ID=$(python3 -c 'import base64, uuid; print(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1))')
    NODES=$nodes
    BROKER_PORTS=${broker_ports[*]}
    CONTROLLER_PORTS=${controller_ports[*]}
    SASL_PORTS=${sasl_ports[*]}
    REGISTRY_ON=
    save_cluster
}

save_cluster() {
    cat >"$KAFKA_DIR/cluster.env.new" <<TEXT
CLUSTER_ID=$CLUSTER_ID
NODES=$NODES
BROKER_PORTS='$BROKER_PORTS'
CONTROLLER_PORTS='$CONTROLLER_PORTS'
SASL_PORTS='${SASL_PORTS:-}'
SASL_PASSWORD=${SASL_PASSWORD:-}
REGISTRY_ON=${REGISTRY_ON:-}
TEXT
    mv "$KAFKA_DIR/cluster.env.new" "$KAFKA_DIR/cluster.env"
}

# An authority of the cluster's own, and a certificate for this machine's loopback that it has signed.
create_certificates() {
    local tls=$KAFKA_DIR/tls log=$KAFKA_DIR/tls/openssl.log
    mkdir -p "$tls"
    {
        openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=cost-rhythm test authority' -keyout "$tls/ca.key" -out "$tls/ca.pem" &&
            openssl req -newkey rsa:2048 -nodes -subj "/CN=$HOST" -keyout "$tls/broker.key" -out "$tls/broker.csr" &&
            openssl x509 -req -in "$tls/broker.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -days 3650 \
                -extfile <(echo "subjectAltName=IP:$HOST,DNS:localhost") -out "$tls/broker.pem"
    } >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "openssl cannot make the certificates"; }
    # As Kafka reads PEM: key and certificates in one file.
    cat "$tls/broker.key" "$tls/broker.pem" >"$tls/keystore.pem"
}

# ---------------------------------------------------------------------------------------------------- processes

# A pid file holds "PID START": START (ticks since boot, field 22 of /proc/PID/stat) tells our process from a later one
# that was given the same number.
started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The command name may hold spaces and brackets: fields are counted after the last ')'.
    local -a fields
    read -r -a fields <<<"${stat##*) }"
    # A zombie has ended, whoever has yet to take note of it; but one with threads left (field 20) is still dying and
    # still holds its ports and files.
    [[ ${fields[0]} != Z || ${fields[17]} -gt 1 ]] || return 1
    echo "${fields[19]}"
}

running() {
    local pid start
    [[ -f $1 ]] || return 1
    read -r pid start <"$1" || return 1
    [[ "$(started_at "$pid")" == "$start" ]]
}

# launch PIDFILE LOGFILE COMMAND... : in a session of its own, so that a Ctrl-C at the terminal is not meant for it.
launch() {
    local pid_file=$1 log_file=$2 pid
    shift 2
    if [[ -f $log_file ]]; then mv "$log_file" "$log_file.previous"; fi
    # The lock of `up` (descriptor 9) is not the server's to keep.
    setsid nohup "$@" >"$log_file" 2>&1 </dev/null 9>&- &
    pid=$!
    echo "$pid $(started_at "$pid")" >"$pid_file"
    disown
}

stop_process() {
    local name=$1 pid_file=$2 hard=${3:-} pid start deadline
    if ! running "$pid_file"; then
        rm -f "$pid_file"
        return
    fi
    read -r pid start <"$pid_file"
    if [[ -n $hard ]]; then
        kill -KILL "$pid" 2>/dev/null || true
    else
        kill -TERM "$pid" 2>/dev/null || true
    fi
    deadline=$((SECONDS + KAFKA_STOP_SECONDS))
    while running "$pid_file"; do
        if ((SECONDS >= deadline)); then
            say "$name (pid $pid) did not end within $KAFKA_STOP_SECONDS s of SIGTERM: killing it"
            kill -KILL "$pid" 2>/dev/null || true
            deadline=$((SECONDS + 10))
        fi
        sleep 0.1
    done
    rm -f "$pid_file"
    say "$name stopped (pid $pid)"
}

port_open() {
    (exec 3<>"/dev/tcp/$HOST/$1") 2>/dev/null
}

# ---------------------------------------------------------------------------------------------------- brokers

node_directory() { echo "$KAFKA_DIR/node-$1"; }
node_pid_file() { echo "$(node_directory "$1")/pid"; }

write_node_config() {
    local node=$1 directory voters='' index replication listener='' sasl='' map=''
    directory=$(node_directory "$node")
    if [[ -n ${SASL_PORTS:-} ]]; then
        listener=,SASL_SSL://$HOST:${sasl_ports[node - 1]}
        map=,SASL_SSL:SASL_SSL
        sasl="sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$KAFKA_DIR/tls/keystore.pem"
    fi
    mkdir -p "$directory"
    for ((index = 0; index < NODES; index++)); do
        voters+=${voters:+,}$((index + 1))@$HOST:${controller_ports[index]}
    done
    replication=$((NODES < 3 ? NODES : 3))
    cat >"$directory/server.properties" <<TEXT
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$voters
listeners=PLAINTEXT://$HOST:${broker_ports[node - 1]}$listener,CONTROLLER://$HOST:${controller_ports[node - 1]}
advertised.listeners=PLAINTEXT://$HOST:${broker_ports[node - 1]}$listener
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$map
$sasl
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$directory/data

# A message's time is when the broker took it: "in the future" is then decided alike in every replay.
log.message.timestamp.type=LogAppendTime
# 10 MiB, and what carries it: a dead letter is 64 KiB larger than its input, a block of cells may be large.
message.max.bytes=10485760
replica.fetch.max.bytes=11534336
auto.create.topics.enable=false
num.partitions=1

offsets.topic.replication.factor=$replication
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$replication
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
default.replication.factor=$replication
share.coordinator.state.topic.replication.factor=$replication
share.coordinator.state.topic.min.isr=1
# Tests join and leave groups often.
group.initial.rebalance.delay.ms=0
log.segment.bytes=134217728
log.retention.hours=168
TEXT
    cat >"$directory/log4j2.properties" <<'TEXT'
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
TEXT
}

java_quiet=(-XX:+UseG1GC -XX:TieredStopAtLevel=4 -Djava.awt.headless=true)

run_class() {
    local class=$1
    shift
    java -Xmx256m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="${TOOLS_LOG4J:-$(tools_log4j)}" -cp "$kafka_home/libs/*" "$class" "$@"
}

# Kafka's tools with no log4j file print an error about it; here they print warnings on stderr.
tools_log4j() {
    local file=$kafka_home/tools-log4j2.properties
    if [[ ! -f $file ]]; then
        cat >"$file.$$" <<'TEXT'
status = error
appender.err.type = Console
appender.err.name = err
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.err.ref = err
TEXT
        mv "$file.$$" "$file"
    fi
    echo "$file"
}

start_node() {
    local node=$1 directory users=()
    directory=$(node_directory "$node")
    if running "$(node_pid_file "$node")"; then return; fi
    write_node_config "$node"
    if [[ ! -f $directory/data/meta.properties ]]; then
        if [[ -n ${SASL_PASSWORD:-} ]]; then users=(--add-scram "SCRAM-SHA-512=[name=$SASL_USER,password=$SASL_PASSWORD]"); fi
        run_class kafka.tools.StorageTool format -t "$CLUSTER_ID" -c "$directory/server.properties" "${users[@]}" >"$directory/format.log" 2>&1 ||
            { tail -n 20 "$directory/format.log" >&2; fail "broker $node: formatting its storage failed"; }
    fi
    local deadline=$((SECONDS + 5))
    # A broker killed a moment ago may still hold its port.
    while port_open "${broker_ports[node - 1]}" && ((SECONDS < deadline)); do sleep 0.1; done
    if port_open "${broker_ports[node - 1]}"; then
        fail "port $HOST:${broker_ports[node - 1]} is taken by another process: set KAFKA_PORT (0 = any free) for a new KAFKA_DIR"
    fi
    launch "$(node_pid_file "$node")" "$directory/server.log" \
        java "-Xmx$KAFKA_HEAP" "${java_quiet[@]}" -Dlog4j2.configurationFile="$directory/log4j2.properties" \
        -cp "$kafka_home/libs/*" kafka.Kafka "$directory/server.properties"
}

# "Kafka Server started" is logged once the controller has let the broker in, not when the port opens.
node_ready() {
    grep -q 'Kafka Server started' "$(node_directory "$1")/server.log" 2>/dev/null && port_open "${broker_ports[$1 - 1]}"
}

wait_for_nodes() {
    local node deadline=$((SECONDS + KAFKA_READY_SECONDS)) log
    for node in "$@"; do
        log=$(node_directory "$node")/server.log
        until node_ready "$node"; do
            if ! running "$(node_pid_file "$node")"; then
                tail -n 20 "$log" >&2
                fail "broker $node ended while starting, its log: $log"
            fi
            if ((SECONDS >= deadline)); then
                tail -n 20 "$log" >&2
                fail "broker $node was not ready within $KAFKA_READY_SECONDS s (KAFKA_READY_SECONDS), its log: $log"
            fi
            sleep 0.1
        done
        say "broker $node serves $HOST:${broker_ports[node - 1]}"
    done
}

need_node() {
    need_number "the broker" "$1"
    (($1 >= 1 && $1 <= NODES)) || fail "there is no broker $1: this cluster has $NODES"
}

# ---------------------------------------------------------------------------------------------------- registry

start_registry() {
    local directory=$KAFKA_DIR/registry deadline=$((SECONDS + KAFKA_READY_SECONDS))
    if ! running "$directory/pid"; then
        mkdir -p "$directory"
        if port_open "$REGISTRY_ON"; then
            fail "port $HOST:$REGISTRY_ON is taken by another process: set REGISTRY_PORT (0 = any free)"
        fi
        # On disk: a registry that forgets its schemas at a restart would give their ids to others.
        launch "$directory/pid" "$directory/registry.log" \
            env QUARKUS_HTTP_HOST="$HOST" QUARKUS_HTTP_PORT="$REGISTRY_ON" \
            REGISTRY_DATASOURCE_URL="jdbc:h2:file:$directory/schemas;DB_CLOSE_ON_EXIT=FALSE" \
            QUARKUS_DATASOURCE_JDBC_INITIAL_SIZE=2 QUARKUS_DATASOURCE_JDBC_MIN_SIZE=2 QUARKUS_DATASOURCE_JDBC_MAX_SIZE=20 \
            LOG_LEVEL=WARN REGISTRY_LOG_LEVEL=WARN \
            java "-Xmx$REGISTRY_HEAP" -jar "$registry_home/apicurio-registry-app-$REGISTRY_VERSION-runner.jar"
    fi
    until curl -fsS -m 5 -o /dev/null "http://$HOST:$REGISTRY_ON/apis/ccompat/v7/subjects" 2>/dev/null; do
        if ! running "$directory/pid"; then
            tail -n 20 "$directory/registry.log" >&2
            fail "the schema registry ended while starting, its log: $directory/registry.log"
        fi
        if ((SECONDS >= deadline)); then
            tail -n 20 "$directory/registry.log" >&2
            fail "the schema registry was not ready within $KAFKA_READY_SECONDS s, its log: $directory/registry.log"
        fi
        sleep 0.2
    done
    say "schema registry serves $(registry_url)"
}

registry_url() { echo "http://$HOST:$REGISTRY_ON/apis/ccompat/v7"; }

# ---------------------------------------------------------------------------------------------------- commands

command_install() {
    install_kafka
    install_registry
    say "Kafka $KAFKA_VERSION and the schema registry $REGISTRY_VERSION are in $cache"
}

# Two `up`s of one directory at the same time would start two brokers on one log.
lock_cluster() {
    mkdir -p "$KAFKA_DIR"
    exec 9>"$KAFKA_DIR/lock"
    flock -w "$((KAFKA_READY_SECONDS * 2))" 9 || fail "another kafka.sh is at work on $KAFKA_DIR"
}

command_up() {
    local nodes='' registry='' sasl='' node wanted
    while [[ $# -gt 0 ]]; do
        case "$1" in
            --nodes) nodes=${2:-}; need_number --nodes "$nodes"; shift 2 ;;
            --registry) registry=yes; shift ;;
            --sasl) sasl=yes; shift ;;
            *) fail "up: unknown argument '$1'" ;;
        esac
    done
    if [[ -n $nodes ]]; then ((nodes >= 1 && nodes <= 9)) || fail "--nodes must be 1 to 9, found $nodes"; fi
    need_commands java python3 flock setsid curl
    if [[ -n $sasl ]]; then need_commands openssl; fi
    install_kafka
    if [[ -n $registry ]]; then install_registry; fi
    lock_cluster
    if load_cluster; then
        [[ -z $nodes || $nodes -eq $NODES ]] || fail "the cluster in $KAFKA_DIR has $NODES brokers, not $nodes: 'down --wipe' first, or another KAFKA_DIR"
        [[ -z $sasl || -n ${SASL_PORTS:-} ]] || fail "the cluster in $KAFKA_DIR was made without --sasl: 'down --wipe' first, or another KAFKA_DIR"
        wanted=${KAFKA_PORT:-0}
        [[ $wanted -eq 0 || $wanted -eq ${broker_ports[0]} ]] ||
            fail "the cluster in $KAFKA_DIR is on port ${broker_ports[0]}, not $wanted: 'down --wipe' first, or another KAFKA_DIR"
    else
        create_cluster "${nodes:-1}" "$sasl"
    fi
    if [[ -n $registry && -z ${REGISTRY_ON:-} ]]; then
        REGISTRY_ON=${REGISTRY_PORT:-8081}
        need_number REGISTRY_PORT "$REGISTRY_ON"
        if [[ $REGISTRY_ON -eq 0 ]]; then REGISTRY_ON=$(free_ports 1); fi
        save_cluster
    fi
    for ((node = 1; node <= NODES; node++)); do start_node "$node"; done
    # shellcheck disable=SC2046
    wait_for_nodes $(seq 1 "$NODES")
    if [[ -n ${REGISTRY_ON:-} ]]; then
        install_registry
        start_registry
    fi
    command_env
}

command_down() {
    local wipe='' node
    case "${1:-}" in
        '') ;;
        --wipe) wipe=yes ;;
        *) fail "down: unknown argument '$1'" ;;
    esac
    if ! load_cluster; then
        say "no cluster in $KAFKA_DIR"
        return
    fi
    lock_cluster
    stop_process "schema registry" "$KAFKA_DIR/registry/pid"
    # SIGTERM to all before waiting for one: a broker hands its partitions over while others are still there to take
    # them, but the last two of three would wait for a quorum that is gone.
    if ((NODES > 1)); then
        for ((node = 1; node <= NODES; node++)); do
            if running "$(node_pid_file "$node")"; then kill -TERM "$(cut -d' ' -f1 "$(node_pid_file "$node")")" 2>/dev/null || true; fi
        done
    fi
    for ((node = 1; node <= NODES; node++)); do stop_process "broker $node" "$(node_pid_file "$node")"; done
    if [[ -n $wipe ]]; then
        # Only what this script made: KAFKA_DIR may be a directory that holds other things too.
        rm -rf "$KAFKA_DIR"/node-[0-9]* "$KAFKA_DIR/registry" "$KAFKA_DIR/tls" "$KAFKA_DIR/cluster.env" "$KAFKA_DIR/lock"
        rmdir "$KAFKA_DIR" 2>/dev/null || true
        say "wiped $KAFKA_DIR"
    fi
}

command_restart() {
    local hard='' nodes=()
    need_cluster
    while [[ $# -gt 0 ]]; do
        case "$1" in
            --hard) hard=yes; shift ;;
            --node) need_node "${2:-}"; nodes=("$2"); shift 2 ;;
            *) fail "restart: unknown argument '$1'" ;;
        esac
    done
    if [[ ${#nodes[@]} -eq 0 ]]; then readarray -t nodes < <(seq 1 "$NODES"); fi
    lock_cluster
    local node
    for node in "${nodes[@]}"; do stop_process "broker $node" "$(node_pid_file "$node")" "$hard"; done
    for node in "${nodes[@]}"; do start_node "$node"; done
    wait_for_nodes "${nodes[@]}"
}

command_stop_node() {
    local hard=
    need_cluster
    need_node "${1:-}"
    case "${2:-}" in
        '') ;;
        --hard) hard=yes ;;
        *) fail "stop-node: unknown argument '$2'" ;;
    esac
    lock_cluster
    stop_process "broker $1" "$(node_pid_file "$1")" "$hard"
}

command_start_node() {
    need_cluster
    need_node "${1:-}"
    lock_cluster
    start_node "$1"
    wait_for_nodes "$1"
}

command_status() {
    local node all=0
    if ! load_cluster; then
        echo "no cluster in $KAFKA_DIR"
        return 1
    fi
    for ((node = 1; node <= NODES; node++)); do
        if running "$(node_pid_file "$node")" && node_ready "$node"; then
            echo "broker $node: running, pid $(cut -d' ' -f1 "$(node_pid_file "$node")"), $HOST:${broker_ports[node - 1]}"
        else
            echo "broker $node: not running, $HOST:${broker_ports[node - 1]}"
            all=1
        fi
    done
    if [[ -n ${REGISTRY_ON:-} ]]; then
        if running "$KAFKA_DIR/registry/pid" && port_open "$REGISTRY_ON"; then
            echo "schema registry: running, pid $(cut -d' ' -f1 "$KAFKA_DIR/registry/pid"), $(registry_url)"
        else
            echo "schema registry: not running, $(registry_url)"
            all=1
        fi
    fi
    echo "directory: $KAFKA_DIR"
    return $all
}

command_env() {
    need_cluster
    echo "KAFKA_BROKERS=$(brokers)"
    if [[ -n ${REGISTRY_ON:-} ]]; then echo "SCHEMA_REGISTRY_URL=$(registry_url)"; fi
    if [[ -n ${SASL_PORTS:-} ]]; then
        local port list=
        for port in "${sasl_ports[@]}"; do list+=${list:+,}$HOST:$port; done
        echo "KAFKA_SASL_BROKERS=$list"
        echo "KAFKA_CA_FILE=$KAFKA_DIR/tls/ca.pem"
        echo "KAFKA_USERNAME=$SASL_USER"
        echo "KAFKA_PASSWORD=$SASL_PASSWORD"
    fi
}

command_topic() {
    local action=${1:-} name=${2:-} partitions=1 replication='' settings=()
    need_cluster
    case "$action" in
        create)
            [[ -n $name && $name != -* ]] || fail "topic create: name the topic"
            shift 2
            while [[ $# -gt 0 ]]; do
                case "$1" in
                    --partitions) partitions=${2:-}; need_number --partitions "$partitions"; shift 2 ;;
                    --replication) replication=${2:-}; need_number --replication "$replication"; shift 2 ;;
                    --config) settings+=(--config "${2:-}"); shift 2 ;;
                    *) fail "topic create: unknown argument '$1'" ;;
                esac
            done
            run_topic_tool --create --if-not-exists --topic "$name" --partitions "$partitions" \
                --replication-factor "${replication:-$((NODES < 3 ? NODES : 3))}" "${settings[@]}"
            ;;
        list) run_topic_tool --list ;;
        describe) if [[ -n $name ]]; then run_topic_tool --describe --topic "$name"; else run_topic_tool --describe; fi ;;
        delete)
            [[ -n $name ]] || fail "topic delete: name the topic"
            run_topic_tool --delete --topic "$name"
            ;;
        *) fail "topic: expected create, list, describe or delete, found '$action'" ;;
    esac
}

run_topic_tool() {
    run_class org.apache.kafka.tools.TopicCommand --bootstrap-server "$(brokers)" "$@"
}

command_topics() {
    need_cluster
    # The same list that docker-compose.yml uses.
    KAFKA_BROKERS=$(brokers) KAFKA_TOPICS_COMMAND="$script_directory/kafka.sh tool org.apache.kafka.tools.TopicCommand" \
        TOPIC_REPLICATION=${TOPIC_REPLICATION:-$((NODES < 3 ? NODES : 3))} sh "$project/docker/create-topics.sh" "$@"
}

command_tool() {
    [[ -n ${1:-} ]] || fail "tool: name a class, e.g. org.apache.kafka.tools.GetOffsetShell"
    install_kafka
    run_class "$@"
}

command=${1:-help}
shift || true
case "$command" in
    install) command_install "$@" ;;
    up) command_up "$@" ;;
    down) command_down "$@" ;;
    restart) command_restart "$@" ;;
    stop-node) command_stop_node "$@" ;;
    start-node) command_start_node "$@" ;;
    status) command_status "$@" ;;
    env) command_env "$@" ;;
    topic) command_topic "$@" ;;
    topics) command_topics "$@" ;;
    tool) command_tool "$@" ;;
    help | -h | --help) usage ;;
    *) echo "kafka: unknown command '$command'" >&2; usage >&2; exit 2 ;;
esac

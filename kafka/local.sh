#!/usr/bin/env bash
# Apache Kafka on this machine without Docker: one node in KRaft mode on 127.0.0.1, for trying things and for tests.
#
#   kafka/local.sh start      fetch the server once, start it, wait until it answers, make the topics
#   kafka/local.sh stop       stop the server that this data folder belongs to, and nothing else
#   kafka/local.sh status     exit code 0 if it runs, 3 if not
#   kafka/local.sh ui         say where to look at the topics
#
# It needs Java 17 or newer and, until the server is fetched, Maven. Settings:
#
#   KAFKA_PORT    where it listens                           (9092)
#   KAFKA_DATA    its data, server.log and server.pid        (data/kafka beside this folder)
#   KAFKA_JARS    where the server's jars are kept           (target/kafka beside this folder)
#   KAFKA_JIT_LEVEL how well the JVM compiles it, up to 4     (1)
#   KAFKA_PROXIED further listeners, each behind a proxy     (none) NAME:PORT:ADVERTISED, separated by spaces: it listens
#                 on PORT, and tells who comes that way that it is on ADVERTISED, where the proxy has to be
#   KAFKA_TOPIC_COMMANDS, _ITEMS, _STOCK, _DLQ               names of the topics, as the services have them
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly host=127.0.0.1
readonly port="${KAFKA_PORT:-9092}"
data="${KAFKA_DATA:-$here/../data/kafka}"
# A changed pom.xml gets a folder of its own.
jars="${KAFKA_JARS:-$here/../target/kafka}/$(cksum <"$here/pom.xml" | cut -d' ' -f1)"
readonly jars

readonly java_needed=17
# Seconds, each far above what a slow machine was seen to need.
readonly start_within=90 stop_within=30
# Small, and compiled quickly rather than well, so that a start takes seconds; who measures wants 4, as servers run.
readonly jvm=(-XX:+UseSerialGC -XX:TieredStopAtLevel="${KAFKA_JIT_LEVEL:-1}" -Djava.awt.headless=true)
readonly heap=(-Xms64m -Xmx320m)

say() { printf '%s\n' "$*"; }
fail() {
    printf 'kafka/local.sh: %s\n' "$*" >&2
    exit 1
}

# ---------------------------------------------------------------------------------------------- what it needs

need_java() {
    java="${JAVA_HOME:+$JAVA_HOME/bin/}java"
    command -v "$java" >/dev/null || fail "no $java: Kafka needs Java $java_needed (Debian: default-jre-headless)"
    local version
    version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge "$java_needed" ] ||
        fail "$java is Java ${version:-of an unknown version}, and Kafka needs $java_needed"
}

# Held until the subshell that takes it ends: one at a time, where the system has flock.
lock() {
    exec 9>"$1"
    if command -v flock >/dev/null; then flock 9; fi
}

need_jars() {
    if [ -d "$jars" ]; then return; fi
    command -v mvn >/dev/null || fail "no mvn: the server's jars are fetched once by Maven (Debian: maven)"
    mkdir -p "$(dirname "$jars")" || fail "cannot make $(dirname "$jars"): set KAFKA_JARS to a folder that can be written"
    (
        lock "$jars.lock"
        if [ ! -d "$jars" ]; then fetch_jars; fi
    ) || exit 1
}

# The folder gets its name when it is whole.
fetch_jars() {
    local partial="$jars.partial.$$"
    say "fetching Kafka's server into $jars"
    if ! mvn -B -q -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$partial" </dev/null; then
        rm -rf "$partial"
        fail "Maven could not fetch the server; see above"
    fi
    mv "$partial" "$jars" 2>/dev/null || rm -rf "$partial"
}

need_data() {
    mkdir -p "$data" 2>/dev/null || fail "cannot make $data: set KAFKA_DATA to a folder that can be written"
    data=$(cd "$data" && pwd)
    [ -w "$data" ] || fail "cannot write to $data: set KAFKA_DATA to a folder that can be written"
}

# -------------------------------------------------------------------------------------------- which process

# The process of the pid file, if it runs and is the server of this data folder: a pid alone may be somebody else's by now.
server_pid() {
    local pid
    pid=$(cat "$data/server.pid" 2>/dev/null) || return 1
    [[ "$pid" =~ ^[0-9]+$ ]] || return 1
    [[ "$(command_line "$pid")" == *"kafka.Kafka $data/server.properties"* ]] || return 1
    say "$pid"
}

runs() { server_pid >/dev/null; }

command_line() {
    if [ -d /proc/self ]; then
        tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline"
    else
        ps -o args= -p "$1"
    fi
}

server_port() { sed -n "s|^listeners=PLAINTEXT://$host:\([0-9]*\),.*|\1|p" "$data/server.properties"; }

answers() { (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null; }

# Below the ports that systems give to whoever asks for any, so that no client of another program has it by chance.
free_port() {
    local candidate
    for _ in {1..50}; do
        candidate=$((10000 + RANDOM % 20000))
        if ! answers "$candidate"; then
            say "$candidate"
            return
        fi
    done
    fail "no free port for the controller"
}

# ----------------------------------------------------------------------------------------------------- start

# One line for each listener behind a proxy: its name, where it listens, and where it says that it is.
proxied() {
    local one
    for one in ${KAFKA_PROXIED:-}; do
        [[ "$one" =~ ^([A-Za-z][A-Za-z0-9]*):([0-9]+):([0-9]+)$ ]] ||
            fail "KAFKA_PROXIED is NAME:PORT:ADVERTISED, separated by spaces, and not \"$one\""
        say "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${BASH_REMATCH[3]}"
    done
}

write_properties() {
    local name own told more='' advertised='' protocols=''
    while read -r name own told; do
        more+=",$name://$host:$own" advertised+=",$name://$host:$told" protocols+=",$name:PLAINTEXT"
    done < <(proxied)
    cat >"$data/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://$host:$port,CONTROLLER://$host:$1$more
advertised.listeners=PLAINTEXT://$host:$port$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$protocols
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@$host:$1
log.dirs=$data/log
# A mistyped topic is an error, and not a new topic with the wrong number of partitions.
auto.create.topics.enable=false
# One node cannot keep the three copies that these default to.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
# Only lag tools use these two, and fifty partitions of each slow a start down.
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
PROPERTIES
}

# Quiet, but for what goes wrong.
tool() { "$java" "${jvm[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$jars/*" "$@" </dev/null; }

# A new data folder is a new cluster: its random id is the identity of the log (docs/adr/0004).
format() {
    if [ -f "$data/log/meta.properties" ]; then return; fi
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '=')
    tool kafka.tools.StorageTool format -c "$data/server.properties" -t "$id" >/dev/null ||
        fail "the storage in $data could not be formatted; see above"
}

# Detached: it lives on when the terminal is closed, and Ctrl-C is not for it.
launch() {
    local detach=(nohup)
    if command -v setsid >/dev/null; then detach=(setsid); fi
    "${detach[@]}" "$java" "${jvm[@]}" "${heap[@]}" \
        -Dorg.slf4j.simpleLogger.showDateTime=true \
        -Dorg.slf4j.simpleLogger.dateTimeFormat="yyyy-MM-dd'T'HH:mm:ss.SSSX" \
        -Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn \
        -cp "$jars/*" kafka.Kafka "$data/server.properties" </dev/null >>"$data/server.log" 2>&1 9>&- &
    say $! >"$data/server.pid"
}

# Whether the log has the text, after so many bytes of earlier runs.
logged() { grep -qF -- "$2" < <(tail -c "+$(($1 + 1))" "$data/server.log"); }

# It answers once it says so: the port is open before.
wait_until_started() {
    local seen=$1 pid deadline=$((SECONDS + start_within))
    pid=$(cat "$data/server.pid")
    until logged "$seen" 'Kafka Server started'; do
        # Not `runs`: for a moment our child is still this script, before it is the server.
        if ! kill -0 "$pid" 2>/dev/null; then return 1; fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            kill -KILL "$pid" 2>/dev/null
            fail "Kafka did not answer within $start_within s; see $data/server.log"
        fi
        sleep 0.1
    done
}

# The names and settings of kafka/src/topics.rs; a test holds these lines to it.
make_topics() {
    create "${KAFKA_TOPIC_COMMANDS:-inventory.commands}" 1 --config retention.ms=31536000000 --config retention.bytes=-1
    create "${KAFKA_TOPIC_ITEMS:-inventory.items}" 3
    create "${KAFKA_TOPIC_STOCK:-inventory.stock}" 3
    create "${KAFKA_TOPIC_DLQ:-inventory.dlq}" 1 --config max.message.bytes=2097152 --config retention.ms=31536000000
    local making
    for making in ${creating[@]+"${creating[@]}"}; do
        wait "$making" || fail "the topics could not be made; see above"
    done
}

# Each is a JVM of a second, so they run side by side, and a topic whose folder is there needs none.
creating=()
create() {
    if [ -d "$data/log/$1-0" ]; then return; fi
    tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$host:$(server_port)" --create --if-not-exists \
        --topic "$1" --partitions "$2" --replication-factor 1 "${@:3}" >/dev/null &
    creating+=($!)
}

start() {
    need_data
    (
        lock "$data/start.lock"
        if runs; then
            # An earlier start may have been cut off before the topics.
            need_java
            make_topics
            say "Kafka runs already on $host:$(server_port): process $(server_pid), data in $data"
        else
            start_server
        fi
    ) || exit 1
}

start_server() {
    need_java
    proxied >/dev/null
    if answers "$port"; then fail "port $port is taken, and not by the Kafka of $data: set KAFKA_PORT to another"; fi
    need_jars
    local seen
    for _ in 1 2 3; do
        write_properties "$(free_port)" || fail "cannot write to $data"
        format
        : >>"$data/server.log"
        seen=$(wc -c <"$data/server.log")
        launch
        if wait_until_started "$seen"; then
            make_topics
            say "Kafka answers on $host:$port: process $(server_pid), data in $data"
            return
        fi
        # Else somebody took the controller's port since we looked.
        logged "$seen" 'Socket server failed to bind' || break
    done
    rm -f "$data/server.pid"
    tail -n 5 "$data/server.log" >&2
    fail "Kafka ended at once; see $data/server.log"
}

# ---------------------------------------------------------------------------------------- stop, status, ui

stop_server() {
    local pid deadline=$((SECONDS + stop_within))
    pid=$(server_pid) || return 0
    kill -TERM "$pid"
    # One that was paused hears of it only when it goes on.
    kill -CONT "$pid"
    while runs; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            say "it did not stop within $stop_within s, so it is killed"
            kill -KILL "$pid"
            return
        fi
        sleep 0.1
    done
}

# A folder that is not there has no server; it is not made for the question.
enter_data() { [ -d "$data" ] && data=$(cd "$data" && pwd); }

stop() {
    local pid
    if ! enter_data || ! pid=$(server_pid); then
        say "Kafka does not run on $data"
        return
    fi
    stop_server
    rm -f "$data/server.pid"
    say "Kafka has stopped: process $pid, data kept in $data"
}

status() {
    local pid
    if enter_data && pid=$(server_pid); then
        say "Kafka runs on $host:$(server_port): process $pid, data in $data"
    else
        say "Kafka does not run on $data"
        exit 3
    fi
}

ui() {
    printf '%s\n' >&2 \
        "kafka/local.sh: no registry serves Kafdrop's jar, so it can be had only as an image:" \
        "  docker compose -f kafka/compose.yaml up -d        Kafdrop is on http://localhost:9000" \
        "Without Docker the messages are shown by" \
        "  kcat -C -b $host:$port -t inventory.stock -e -f '%k %h %s\\n'" \
        "  curl 'http://127.0.0.1:8082/monitoring/messages?topic=inventory.stock'"
    exit 1
}

case "${1:-}" in
start | stop | status | ui) "$1" ;;
*)
    say "usage: kafka/local.sh start | stop | status | ui" >&2
    exit 64
    ;;
esac

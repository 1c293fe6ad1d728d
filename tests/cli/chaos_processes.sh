# Conservation under chaos: workers are killed with SIGKILL every 200 ms at 70 % load.  Every request has its one
# outcome, only what a killed worker was doing is lost, no zombie and no process stays - nor after Ctrl-C, nor when
# poolbench itself is killed.  CHAOS_SECONDS=60 makes it longer, CHAOS_WORKER='["python3","w.py"]' takes another worker.
. "$SRC/tests/cli/lib.sh"
seconds=${CHAOS_SECONDS:-5}
worker=${CHAOS_WORKER:-[\"$(dirname "$PB")/workers/echo\"]}

# Four workers of 20 ms a request carry 200/s.
cat >chaos.json <<END
{ "pool": { "size": 4, "operation_timeout": "10s", "checkout_timeout": "20s", "kill_after": "500ms", "max_restarts": 10000 },
  "workload": { "type": "command", "command": $worker, "env": { "PB_TEST_MARK": "$PWD" },
    "operations": [ { "name": "sleep", "args": { "ms": 20 } } ] },
  "phases": [ { "name": "main", "duration": "${seconds}s", "rate": 140 } ] }
END

start() { # SCENARIO : in the background, until its load runs; sets $pid
    rm -rf results
    "$PB" run "$1" --quiet --no-charts --json >out 2>err &
    pid=$!
    tries=0
    while [ "$(children $pid | wc -l)" -lt 4 ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "no workers"; cat err; exit 1; }
        sleep 0.1
    done
    sleep 1.5 # they are ready and the first requests are under way
}

ended() { # CODES : the run that start began
    code=0
    wait $pid || code=$?
    case " $1 " in
    *" $code "*) ;;
    *) echo "exit code $code, wanted one of $1"; cat out err; exit 1 ;;
    esac
}

# --- kill -9, again and again. ---

# Each death that was seen has its replacement: the k-th is over when the k-th replacement is ready.  (Not all of them
# come to a first success: the next kill may hit one that has had no request yet.)  Prints the 99th percentile in ms.
recovery_p99() {
    awk -F'[:,]' '
        /"event":"worker_lost"/ { lost[n++ + 0] = $2 }
        /"event":"worker_up","detail":"replacement"/ { print ($2 - lost[m++ + 0]) / 1e6 }' results/*/events.jsonl | sort -n >recovery
    awk '{ v[NR] = $1 } END { k = int(0.99 * NR + 0.999999); print NR ? v[k] : "none" }' recovery
}

chaos() {
    kills=0
    start chaos.json
    end=$(($(date +%s) + seconds - 2))
    while [ "$(date +%s)" -lt $end ]; do
        victim=$(children $pid | awk -v seed=$kills 'BEGIN { srand(seed) } { v[NR] = $1 } END { if (NR) print v[1 + int(rand() * NR)] }')
        if [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null; then
            kills=$((kills + 1))
        fi
        sleep 0.2
    done
    # All that died is reaped soon, while the run goes on.
    tries=0
    while children $pid | while read -r child; do cat "/proc/$child/stat" 2>/dev/null; done | grep -q ') Z '; do
        tries=$((tries + 1))
        [ $tries -lt 30 ] || { echo "zombies"; exit 1; }
        sleep 0.1
    done
    ended "0 1 3 5"
    sum_is_sent out
    none_left "$PWD"
    lost=$(number out totals.outcomes.worker_lost)
    holds "$kills > 2" "kills"
    holds "$lost <= $kills" "only the requests in flight: $lost lost in $kills kills"
    holds "$(number out totals.outcomes.ok) + $lost == $(number out totals.sent)" "everybody else"
}

# On a machine that is busy with other things a worker may be slow to start: three chances.
chances=3
while :; do
    chaos
    p99=$(recovery_p99)
    echo "recovery p99 $p99 ms after $kills kills"
    [ "$p99" != none ] || { echo "no recovery was seen"; exit 1; }
    ! awk -v p="$p99" 'BEGIN { exit !(p < 500) }' || break
    chances=$((chances - 1))
    [ $chances -gt 0 ] || exit 1
done

# --- Poolbench is interrupted, and killed; its workers go with it. ---

sed 's/"duration": "[0-9]*s"/"duration": "60s"/' chaos.json >long.json
start long.json
kill -INT $pid
ended 130
sum_is_sent out
none_left "$PWD"

# Also workers that are busy for long, which get SIGTERM and SIGKILL.
sed 's/"ms": 20 /"ms": 60000 /; s/"operation_timeout": "10s"/"operation_timeout": "1h"/' long.json >busy.json
start busy.json
kill -INT $pid
ended 130
sum_is_sent out
none_left "$PWD"

start long.json
kill -KILL $pid
ended 137
none_left "$PWD"

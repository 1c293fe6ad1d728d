# One scenario, several pools: the built-in one, those whose drivers are built, and the one of docs/examples.
# What a driver cannot do is refused, or said not to hold; a broken driver is one line.
. "$SRC/tests/cli/lib.sh"

# compile OUTPUT SOURCE OPTION... : a shared object.
compile() {
    output=$1 source=$2
    shift 2
    ${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -O2 -g -fPIC -shared -pthread -I"$SRC/include" "$@" \
        -o "$output" "$source" || exit 1
}

compile mypool.so "$SRC/docs/examples/mypool.c"
tiny >tiny.json

# drivers : those that are there, by what a wrong name is told.
run 2 "$PB" run tiny.json --set pool.driver=nosuch
has err 'there is no driver "nosuch": there are builtin'
[ "$(wc -l <err)" = 1 ]
run 2 "$PB" run tiny.json --set pool.driver=builtln
has err 'did you mean "builtin"?'
drivers="./mypool.so"
for library in glib-2.0:glib libuv:libuv; do
    if [ -e "$(dirname "$PB")/drivers/${library#*:}.so" ]; then
        drivers="$drivers ${library#*:}"
    elif pkg-config --exists "${library%:*}" 2>/dev/null; then
        echo "${library%:*} is here, and its driver was not built"
        exit 1
    fi
done

# The same scenario by each pool: every request has its outcome, in the counters and in the log.
for driver in builtin $drivers; do
    one_of "0 1 3 5" "$PB" run tiny.json --set pool.driver="$driver" --quiet --no-charts --json
    sum_is_sent out || { echo "by $driver"; exit 1; }
    name=$(basename "$driver" .so)
    [ "$(number out pool.driver.name)" = "$name" ]
    holds "$(number out totals.outcomes.ok) > 150" "$name: ok requests"
    [ "$(number out totals.outcomes.ok)" = "$(number out totals.sent)" ]
    [ "$(number out pool.size)" = 2 ]
    case $driver in
    builtin)
        [ "$(number out pool.queue_limit)" = 1000 ]
        ;;
    *)
        [ "$(number out pool.queue_limit)" = null ]
        has out '"not by this driver"'
        ;;
    esac
    run 0 "$PB" show latest --recompute
    has out SAME
    # What is stored is a scenario, and says the same.
    folder=results/$(ls -t results | head -n 1)
    run 0 "$PB" validate "$folder/scenario.json"
    case $driver in
    builtin) has out "poolbench's own thread pool" ;;
    *) has out "the pool of driver $name (" ;;
    esac
    run 0 "$PB" show latest
    case $driver in
    builtin) lacks out "not by this driver" ;;
    *) has out "not by this driver: max_overflow, queue_limit" ;;
    esac
done

# A closed loop, an overload, a stall, and work that never ends by itself.
cat >hard.json <<'END'
{ "pool": { "size": 2 }, "workload": { "service": "1ms", "hang_rate": 0.002, "error_rate": 0.1 },
  "phases": [ { "name": "open", "duration": "500ms", "rate": 4000 },
              { "name": "closed", "duration": "500ms", "users": 8 } ],
  "faults": [ { "at": "100ms", "stall": "50ms" } ] }
END
for driver in $drivers; do
    one_of "0 1 3 5" timeout 60 "$PB" run hard.json --set pool.driver="$driver" --set workload.hang_rate=0 \
        --quiet --no-charts --json
    sum_is_sent out || { echo "hard, by $driver"; exit 1; }
    holds "$(number out totals.outcomes.error) > 0" "$driver: errors"
done
# interrupted NAME COMMAND... : the run called NAME, stopped by SIGINT once it is under way.
interrupted() {
    name=$1
    shift
    "$@" >out 2>err </dev/null &
    pid=$!
    for _ in $(seq 100); do
        [ -n "$(ls -d results/.tmp-*"$name"* 2>/dev/null)" ] && break
        sleep 0.1
    done
    sleep 1
    kill -INT $pid
    code=0
    wait $pid || code=$?
    [ $code = 130 ] || { echo "exit code $code after SIGINT"; cat err; exit 1; }
    sum_is_sent out
    holds "$(number out totals.outcomes.cancelled) > 0" "cancelled requests"
}
# Told to stop, it waits a second for the work that hangs, and cancels it.
interrupted hard "$PB" run hard.json --set pool.driver=./mypool.so --set workload.hang_rate=1 \
    --set workload.error_rate=0 --quiet --no-charts --json
[ "$(number out totals.outcomes.ok)" = 0 ]

# Another size under load, where the driver can; nothing is lost.
case $drivers in
*glib*)
    one_of "0 1 3 5" "$PB" run hard.json --set pool.driver=glib --set workload.hang_rate=0 --quiet --no-charts --json \
        --set 'changes=[{"at":"200ms","set":{"pool.size":4}},{"at":"600ms","set":{"pool.size":1}}]'
    sum_is_sent out
    [ "$(number out totals.outcomes.cancelled)" = 0 ]
    [ "$(number out workers.peak)" = 4 ]
    ;;
esac

# Refused: what the user wrote and the pool cannot do; one line each, with the field and the driver.
refused() { # FIELD=VALUE LINE
    run 2 "$PB" run tiny.json --set pool.driver=./mypool.so --set "$1"
    has err "$2"
    [ "$(wc -l <err)" = 1 ] || { cat err; exit 1; }
}
by='not by driver mypool: leave it out, or drive the builtin pool'
refused pool.queue_limit=5 "pool.queue_limit=5: $by"
refused pool.max_overflow=1 "pool.max_overflow=1: $by"
refused pool.checkout_timeout=1s "pool.checkout_timeout=1s: $by"
refused pool.operation_timeout=1s "pool.operation_timeout=1s: $by"
refused pool.strategy=fifo "pool.strategy=fifo: $by"
refused pool.lazy=true "pool.lazy=true: $by"
refused pool.recycle.max_requests=100 "pool.recycle.max_requests=100: $by"
refused pool.threads_per_worker=2 "pool.threads_per_worker=2: $by"
refused pool.profile=process 'driver mypool runs threads: processes are by the builtin pool alone'
refused 'tune.vary={"pool.queue_limit":"1..5"}' "tune.vary.pool.queue_limit: $by"
refused 'faults=[{"at":"1ms","kill_worker":0}]' 'faults[0].kill_worker: driver mypool cannot lose a worker'
refused 'changes=[{"at":"1ms","set":{"pool.size":3}}]' 'driver mypool cannot change pool.size while the pool runs'
run 2 "$PB" validate tiny.json --set pool.driver=./mypool.so --set pool.preset=dspex
has err 'sets pool.queue_limit, which is not by driver mypool'
nothing_more=$(ls results | wc -l)
# What it does anyway may be said.
run 0 "$PB" validate tiny.json --set pool.driver=./mypool.so --set pool.max_overflow=0 --set pool.lazy=false \
    --set pool.threads_per_worker=1
[ "$(ls results | wc -l)" = "$nothing_more" ]
# In a file, with line and column; the path is seen from the file's folder.
mkdir sub
cp mypool.so sub/own.so
cat >sub/file.json <<'END'
{ "pool": { "driver": "./own.so", "size": 2,
            "queue_limit": 7 },
  "rate": 10, "duration": "1s" }
END
run 2 "$PB" validate sub/file.json
has err "sub/file.json:2:13: pool.queue_limit: $by"
sed -i 's/, *$/,/; /queue_limit/d; s/"size": 2,/"size": 2 },/' sub/file.json
run 0 "$PB" validate sub/file.json --effective
has out "\"driver\": \"$PWD/sub/own.so\""
has out '"x-not_by_this_driver"'

# The overlay says which pool is which.
if command -v gnuplot >/dev/null 2>&1; then
    cat >same.json <<'END'
{ "name": "same", "pool": { "size": 2 }, "workload": { "service": "1ms" }, "rate": 200, "duration": "1s" }
END
    rm -rf results
    one_of "0 3 5" "$PB" run same.json --quiet
    one_of "0 3 5" "$PB" run same.json --set pool.driver=./mypool.so --quiet
    run 0 "$PB" report results/*
    cat results/*/charts/overlay.svg >overlay
    has overlay '(mypool, size 2)'
    has overlay '(builtin, size 2)'
    cat results/*/report.html >reports
    has reports 'a list, a mutex and a condition variable'
fi

# Tuned: each trial opens a pool of another size.
cat >tune.json <<'END'
{ "name": "tuned", "pool": { "size": 3 }, "workload": { "service": "1ms" }, "rate": 300, "duration": "1s",
  "slo": [ "latency.p50 < 1s" ], "tune": { "vary": { "pool.size": "2..3" }, "budget": { "runs": 3 } } }
END
for driver in $drivers; do
    one_of "0 3 5" "$PB" tune tune.json --set pool.driver="$driver" --quiet --no-charts
    has out "tuned, driver $(basename "$driver" .so): 3 real runs"
done

# Broken ones: one line and exit code 2 before anything starts, 4 when it shows in the run.
broken() { # CODE LINE
    run "$1" "$PB" run tiny.json --set pool.driver=./bad.so --quiet --no-charts
    has err "$2"
    [ "$(wc -l <err)" = 1 ] || { cat err; exit 1; }
}
rm -rf results
echo "no library" >bad.so
broken 2 'pool.driver=./bad.so: cannot be loaded: '
rm bad.so
broken 2 'pool.driver=./bad.so: "./bad.so": there is no such file'
mkdir bad.so
broken 2 'bad.so" is not a file'
rmdir bad.so
compile bad.so "$SRC/tests/cli/bad_driver.c" -DNO_TABLE -Wno-unused-function -Wno-unused-variable
broken 2 'does not define poolbench_pool_driver'
compile bad.so "$SRC/tests/cli/bad_driver.c" -DVERSION=7
broken 2 'speaks version 7 of the driver interface, this poolbench speaks 1: compile it again'
compile bad.so "$SRC/tests/cli/bad_driver.c" -DNO_SUBMIT -Wno-unused-function
broken 2 'lacks open, submit or close'
compile bad.so "$SRC/tests/cli/bad_driver.c"
run 2 "$PB" run tiny.json --set pool.driver=./bad.so --set pool.size=17
has err 'pool.size=17: driver bad has at most 16 threads, not 17'
run 2 "$PB" validate tiny.json --set pool.driver=./bad.so --set 'tune.vary={"pool.size":"2..20"}'
has err 'driver bad has at most 16 threads, not 20'
compile bad.so "$SRC/tests/cli/bad_driver.c" -DREFUSES
broken 4 'driver bad cannot open a pool of 2 threads: it is Sunday'
compile bad.so "$SRC/tests/cli/bad_driver.c" -DFULL
broken 4 'driver bad cannot be used: it says full, which is not among its abilities'
compile bad.so "$SRC/tests/cli/bad_driver.c" -DTWICE
broken 4 'driver bad cannot be used: it ran or expired a task that had ended'
nothing_stored
# Requests that it forgot are cancelled and counted, and the run says so.
compile bad.so "$SRC/tests/cli/bad_driver.c" -DLOSES
interrupted tiny "$PB" run tiny.json --set pool.driver=./bad.so --set workload.type=null \
    --set phases.main.duration=20s --quiet --no-charts --json
has out lost_tasks

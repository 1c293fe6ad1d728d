# Worker processes in any language: the examples, the page that describes them, and what goes wrong.
. "$SRC/tests/cli/lib.sh"
command -v python3 >/dev/null || { echo "no python3 here"; exit 77; }
command -v node >/dev/null || { echo "no node here"; exit 77; }
echo_c=$(dirname "$PB")/workers/echo
examples=$SRC/scenarios/workers

# --- Every example keeps to the protocol, and so do the twenty lines of the page. ---

passes() { # OPTION... -- PROGRAM...
    PB_TEST_MARK=$PWD run 0 "$PB" check-worker "$@"
    has out "PASS"
    has out "next: "
    none_left "$PWD"
}
sed -n '/^```python/,/^```/p' "$SRC/docs/workers.md" | sed '1d;$d' >twenty.py
[ "$(wc -l <twenty.py)" -le 20 ] || { echo "more than twenty lines"; exit 1; }
passes -- python3 twenty.py
passes -- python3 "$examples/echo.py"
passes --lanes 8 -- "$examples/echo.js"
passes --wire lines -- "$examples/echo.sh"
passes --lanes 4 -- "$echo_c" 4
passes --wire lines -- "$echo_c"
passes --command work --args '{"service_ns": 1000}' --lanes 4 -- "$PB" worker synthetic 4
passes --command sleep --args '{"ms": 1}' -- "$echo_c"

# --- What does not, does not pass; the words say why. ---

refused() { # CODE TEXT OPTION...
    code=$1 text=$2
    shift 2
    PB_TEST_MARK=$PWD run "$code" "$PB" check-worker "$@"
    cat err >>out
    has out "$text"
    none_left "$PWD"
}
refused 1 "left with exit code 3 instead of ready" -- sh -c 'exit 3'
refused 1 "ready did not come within 300 ms" --timeout 300ms -- sleep 60
refused 1 "wrote garbage instead of ready" -- echo 'hello, this is no frame'
refused 1 "echo was answered with an error" -- "$PB" worker null
refused 4 "cannot start 'no-such-program': No such file" -- no-such-program
refused 2 "give frames or lines" --wire words -- cat
refused 2 "--args go with --command" --args 1 -- cat
refused 2 "--args:1:" --command x --args '{' -- cat
refused 2 "usage:" --json
PB_TEST_MARK=$PWD run 1 "$PB" check-worker --json -- true
has out '"verdict": "fail"'
has out '"seen": "left with exit code 0 instead of ready"'
run 0 "$PB" check-worker --json --wire lines -- "$examples/echo.sh"
has out '"verdict": "pass"'
lacks out '"result": "fail"'

# --- A scenario each. ---

# serves FILE OPTION... : every request is answered well, and nothing stays.
serves() {
    rm -rf results
    one_of "0 3 5" "$PB" run "$@" --quiet --no-charts --json --duration 1s --set "workload.env.PB_TEST_MARK=$PWD"
    sent=$(number out totals.sent)
    holds "$sent > 50" "sent"
    holds "$(number out totals.outcomes.ok) == $sent" "ok of $sent"
    none_left "$PWD"
}
serves "$SRC/scenarios/worker_python.json"
holds "$(number results/*/run.json prepare.success_ratio) == 1" "warmed"
serves "$SRC/scenarios/worker_node.json"
serves "$SRC/scenarios/worker_sh.json"
serves "$SRC/scenarios/worker_c.json" --set "workload.command=[\"$echo_c\"]"

# --- What goes wrong. ---

# scenario COMMANDS... : a second of load on two C workers, whose operations are given as JSON objects.
scenario() {
    cat <<END
{ "name": "made", "pool": { "size": 2, "operation_timeout": "300ms", "kill_after": "200ms" },
  "workload": { "type": "command", "command": [ "$echo_c" ], "env": { "PB_TEST_MARK": "$PWD" },
    "operations": [ $1 ] },
  "phases": [ { "name": "main", "duration": "1s", "rate": 100 } ] }
END
}
# measured OPTION... : runs ./made.json, its document in ./out; the outcomes add up, nothing stays.
measured() {
    rm -rf results
    one_of "0 1 3 5" "$PB" run made.json --quiet --no-charts --json "$@"
    sum_is_sent out
    none_left "$PWD"
}

# A worker that cannot be started is no run: the reason, exit code 4, nothing stored.
scenario '{ "name": "echo" }' >made.json
no_run() { # TEXT OPTION...
    text=$1
    shift
    rm -rf results
    run 4 "$PB" run made.json --quiet "$@"
    has err "$text"
    nothing_stored
    none_left "$PWD"
}
no_run "no such program" --set 'workload.command=["/no/such/program"]'
no_run "exited with code 3 before it was ready: these are my last words" \
    --set 'workload.command=["sh", "-c", "echo these are my last words >&2; exit 3"]'
no_run "is ready in time" --set 'workload.command=["sleep", "1000"]' --set pool.init_timeout=200ms
no_run "garbage" --set 'workload.command=["echo", "hello"]'

# Errors are errors, whose they are is told, and workers live on.
scenario '{ "name": "bad", "command": "fail", "args": { "kind": "client" } },
          { "name": "worse", "command": "fail", "args": { "kind": "server" } }' >made.json
measured
holds "$(number out totals.outcomes.client_error) > 0 && $(number out totals.outcomes.error) > 0" "errors"
holds "$(number out totals.outcomes.client_error) + $(number out totals.outcomes.error) == $(number out totals.sent)" "all"
holds "$(number out workers.started) == 2" "workers"

# A crash loses the request that was running, and nothing else.
scenario '{ "name": "echo", "weight": 9 }, { "name": "crash", "weight": 1 }' >made.json
measured
lost=$(number out totals.outcomes.worker_lost)
holds "$lost > 0" "crashes"
holds "$(number out totals.outcomes.ok) + $lost == $(number out totals.sent)" "the others"
holds "$(number out workers.started) >= 2 + $lost - 2" "replaced"

# A request that takes too long: its worker is killed, or with several at a time told so, and killed if deaf.
scenario '{ "name": "echo", "weight": 30 }, { "name": "sleep", "weight": 1, "args": { "ms": 60000 } }' >made.json
measured
holds "$(number out totals.outcomes.operation_timeout) > 0" "timeouts"
holds "$(number out totals.outcomes.worker_lost) == 0" "others"
holds "$(number out workers.started) > 2" "replaced"
measured --set pool.threads_per_worker=4 --set "workload.command=[\"$echo_c\", \"4\"]"
holds "$(number out totals.outcomes.operation_timeout) > 0" "timeouts"
holds "$(number out workers.started) == 2" "a worker that hears of cancels stays"

# Warming: each worker once, a failing command makes it unsuccessful, and none of it is in the totals.
scenario '{ "name": "echo" }' >made.json
measured --set pool.size=5 --set pool.prepare=staged \
    --set 'workload.prepare=[{"command":"sleep","args":{"ms":20}},{"command":"echo"},{"command":"echo"}]'
holds "$(number out prepare.total_workers) == 5 && $(number out prepare.successful_workers) == 5" "warmed"
holds "$(number out prepare.duration_ns) >= 60e6" "three batches, one after the other"
[ "$(grep -c '"count": 5' out)" -ge 3 ] || { cat out; exit 1; }
holds "$(number out totals.sent) == $(number out totals.outcomes.ok)" "requests"
[ "$(grep -c '"event":"pool.warmup"' results/*/events.jsonl)" = 1 ]
for key in duration_ms success_rate pool_name strategy worker_count; do
    grep '"pool.warmup"' results/*/events.jsonl | grep -qF "\"$key\":" || { echo "no $key"; exit 1; }
done
measured --set 'workload.prepare=[{"command":"fail","args":{}},{"command":"sleep","args":{"ms":150},"timeout":"100ms"}]'
holds "$(number out prepare.successful_workers) == 0" "none is warm"
holds "$(number out prepare.success_ratio) == 0" "success"
[ "$(grep -c '"failures": 2' out)" = 2 ] || { cat out; exit 1; }

# --- The other workloads in processes: the same load, the same outcomes as on threads. ---

cat >made.json <<END
{ "pool": { "size": 4 }, "seed": 7,
  "workload": { "service": "2ms", "cpu_share": 0.2, "memory": "64KiB", "error_rate": 0.05, "client_error_rate": 0.05 },
  "phases": [ { "name": "main", "duration": "2s", "rate": 100 } ] }
END
measured --set pool.profile=thread
for outcome in ok error client_error; do
    eval "$outcome=$(number out totals.outcomes.$outcome)"
done
for threads in 1 4; do
    measured --set pool.profile=process --set pool.threads_per_worker=$threads
    for outcome in ok error client_error; do
        eval "holds \"\$$outcome == $(number out totals.outcomes.$outcome)\" \"$outcome\""
    done
done
run 0 "$PB" export results/* --format csv
# What a request used of the CPU is measured in the process that did it: at least the 0.4 ms that it burns.
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^cpu/) column = i; if (!column) exit 1; next }
    $column != "" { n++; if ($column < 400000) low++ } END { print n " measured, " low + 0 " too low"; exit !(n > 100 && low == 0) }' out
measured --set pool.profile=process --set workload.hang_rate=0.03 --set pool.operation_timeout=100ms \
    --set workload.ignore_cancel=true --set pool.kill_after=100ms
holds "$(number out totals.outcomes.operation_timeout) > 0" "deaf ones are killed"

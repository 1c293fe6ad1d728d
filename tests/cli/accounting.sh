# Whatever happens to the requests, each is counted once: in every phase sent is the sum of the outcomes, the
# log says the same as the counters, and no request is in it twice or missing.
. "$SRC/tests/cli/lib.sh"

# The latest run's rows against its document: outcomes of all phases, no number twice, and none missing where a
# schedule numbers them (users number theirs by generator).
rows_agree() {
    run 0 "$PB" export latest
    cp out rows.csv
    folder=results/$(ls -t results | head -n 1)
    awk -F'[:,] *' '
    FNR == 1 { file++ }
    file == 1 && /^  "phases":/ { inside = 1 }
    file == 1 && /^  "totals":/ { inside = 0 }
    file == 1 && inside && /^      "arrival": / { users[phases++] = /closed/ }
    file == 1 && /"attempts":/ { attempts = 1 }
    file == 1 && /"offered_rate_per_s":/ { attempts = 0 }
    file == 1 && inside && !attempts && /"(ok|client_error|error|rejected|checkout_timeout|operation_timeout|worker_lost|cancelled)": *[0-9]/ {
        key = $1; gsub(/[ "]/, "", key); counted[key] += $2
    }
    file == 2 && FNR > 1 {
        row[$8]++
        if (($1, $2) in seen) { print "twice: phase " $1 " request " $2; bad = 1 }
        seen[$1, $2] = 1; n[$1]++; if ($2 + 1 > top[$1]) top[$1] = $2 + 1
    }
    END {
        for (o in counted) { all += counted[o]; if (counted[o] != row[o] + 0) {
            print o ": " counted[o] " counted, " row[o] + 0 " in the log"; bad = 1 } }
        for (o in row) if (!(o in counted)) { print "unknown outcome " o; bad = 1 }
        for (p in n) if (!users[p] && n[p] != top[p]) { print "phase " p ": " n[p] " rows, numbers to " top[p]; bad = 1 }
        if (!all) { print "nothing counted"; bad = 1 }
        exit bad
    }' "$folder/run.json" rows.csv
}

# accounts SCENARIO [OPTION]... : runs it and checks its books.
accounts() {
    one_of "0 1 3 5" "$PB" run "$@" --quiet --no-charts --json
    sum_is_sent out || { echo "in: $*"; exit 1; }
    mv out document.json
    run 0 "$PB" show latest --recompute
    has out SAME
    rows_agree || { echo "in: $*"; exit 1; }
}

# Each outcome in NAMES happened, or the scenario does not test what it says.
happened() {
    for outcome in "$@"; do
        holds "$(number document.json "totals.outcomes.$outcome") > 0" "no $outcome"
    done
}

cat >overload.json <<'END'
{ "pool": { "size": 2, "max_overflow": 2, "overflow_ttl": "10ms", "queue_limit": 3,
            "checkout_timeout": "1ms", "operation_timeout": "1ms", "stuck_after": "20ms" },
  "workload": { "service": { "distribution": "exponential", "mean": "800us" },
                "error_rate": "5%", "client_error_rate": "5%", "hang_rate": "3%" },
  "phases": [ { "name": "warmup", "duration": "100ms", "rate": 3000, "record": false },
              { "name": "over", "duration": "700ms", "rate": 8000 },
              { "name": "calm", "duration": "200ms", "rate": 200, "drain": true } ] }
END
for generators in 1 3; do
    accounts overload.json --set generators=$generators
    happened ok client_error error rejected operation_timeout
done

# Work that does not obey, a stall and killed workers; the pool wears out, the books stay right.
cat >deaf.json <<'END'
{ "pool": { "size": 3, "max_overflow": 2, "queue_limit": 8, "checkout_timeout": "3ms",
            "operation_timeout": "4ms", "stuck_after": "20ms", "max_stuck": 2 },
  "workload": { "service": { "distribution": "exponential", "mean": "1ms" }, "hang_rate": "0.2%",
                "ignore_cancel": true },
  "phases": [ { "name": "open", "duration": "600ms", "rate": 4000 },
              { "name": "users", "duration": "400ms", "users": 20, "think": "1ms" } ],
  "faults": [ { "at": "open+100ms", "stall": "50ms" }, { "at": "open+120ms", "kill_worker": 0 },
              { "at": "open+200ms", "kill_worker": "any" } ] }
END
accounts deaf.json --set generators=3
happened ok rejected checkout_timeout operation_timeout

# More users than workers, no thinking: a closed loop at full speed.
cat >closed.json <<'END'
{ "pool": { "size": 2, "queue_limit": 10, "checkout_timeout": "2ms", "operation_timeout": "5ms" },
  "workload": { "service": { "distribution": "exponential", "mean": "1ms" }, "error_rate": "3%",
                "hang_rate": "1%" },
  "phases": [ { "name": "users", "duration": "600ms", "users": 40, "think": "500us" } ] }
END
for generators in 1 3; do
    accounts closed.json --set generators=$generators
    happened ok error rejected checkout_timeout operation_timeout
done

# A queue of nothing (Erlang B), and a drain that leaves work behind: cancelled, not forgotten.
accounts overload.json --set pool.queue_limit=0 --set pool.max_overflow=0
happened ok rejected
cat >endless.json <<'END'
{ "pool": { "size": 2, "queue_limit": 20, "checkout_timeout": "100ms", "operation_timeout": "60s" },
  "workload": { "service": "1ms", "hang_rate": "1" },
  "phases": [ { "name": "main", "duration": "200ms", "rate": 200 } ] }
END
"$PB" run endless.json --quiet --no-charts --json >out 2>err &
pid=$!
sleep 2
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 130 ] || { echo "exit code $code"; cat out err; exit 1; }
sum_is_sent out
mv out document.json
happened cancelled checkout_timeout
rows_agree

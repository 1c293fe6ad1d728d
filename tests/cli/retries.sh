# Retries: a request counts once, by its last attempt; attempts are counted apart and stand in the log; screens, plan
# and warnings say what they cost.
. "$SRC/tests/cli/lib.sh"
cat >retries.json <<'END'
{ "pool": { "size": 2, "queue_limit": 10, "checkout_timeout": "20ms", "operation_timeout": "10ms" },
  "workload": { "service": { "distribution": "exponential", "mean": "1ms" }, "error_rate": "30%",
                "client_error_rate": "2%", "hang_rate": "1%" },
  "retries": { "max": 3, "delay": "5ms", "max_delay": "12ms", "jitter": 0.5 },
  "phases": [ { "name": "warmup", "duration": "200ms", "rate": 300, "record": false },
              { "name": "main", "duration": "800ms", "rate": 600 },
              { "name": "users", "duration": "500ms", "users": 12, "think": "2ms", "drain": true },
              { "name": "over", "duration": "400ms", "rate": 4000 } ],
  "faults": [ { "at": "main+300ms", "kill_worker": "any" }, { "at": "over+100ms", "kill_worker": "any" } ] }
END

# The rows of the latest run against its document: attempts follow each other without a gap, one line a request is the
# last, and outcomes, attempts and requests tried again are those of the phases.
rows_agree() {
    run 0 "$PB" export latest
    cp out rows.csv
    folder=results/$(ls -t results | head -n 1)
    awk -F'[:,] *' '
    FNR == 1 { file++ }
    file == 1 && /^  "phases":/ { inside = 1 }
    file == 1 && /^  "totals":/ { inside = 0 }
    file == 1 && inside && /"attempts":/ { attempts = 1 }
    file == 1 && inside && /"offered_rate_per_s":/ { attempts = 0 }
    file == 1 && inside && /"(ok|client_error|error|rejected|checkout_timeout|operation_timeout|worker_lost|cancelled)": *[0-9]/ {
        key = $1; gsub(/[ "]/, "", key)
        if (attempts) tried[key] += $2; else counted[key] += $2
    }
    file == 1 && inside && attempts && /"retried":/ { retried += $2 }
    file == 1 && inside && attempts && /"abandoned":/ { abandoned += $2 }
    file == 2 && FNR > 1 {
        id = $1 " " $2
        if ($15) { last[$8]++; if (id in ended) { print "ended twice: " id; bad = 1 } ended[id] = 1 }
        if ((id, $12) in seen) { again++; next } # the line of a request that the end kept from its next attempt
        seen[id, $12] = 1; n[id]++; row[$8]++
        if ($12 + 1 > top[id]) top[id] = $12 + 1
        if ($4 < 0 || $5 < 0 || $6 < 0 || $4 + $5 + $6 != $7) { print "parts: " $0; bad = 1 }
    }
    END {
        for (id in n) {
            if (n[id] != top[id] || n[id] > 4) { print id ": " n[id] " attempts, numbered to " top[id]; bad = 1 }
            if (!(id in ended)) { print id " has no end"; bad = 1 }
            more += n[id] > 1
        }
        for (o in counted) if (counted[o] != last[o] + 0) { print o ": " counted[o] " counted, " last[o] + 0 " in the log"; bad = 1 }
        for (o in tried) if (tried[o] != row[o] + 0) { print o ": " tried[o] " attempts counted, " row[o] + 0 " in the log"; bad = 1 }
        if (!more || more != retried) { print more " tried again, counted " retried; bad = 1 }
        if (again + 0 != abandoned) { print again " abandoned in the log, counted " abandoned; bad = 1 }
        exit bad
    }' "$folder/run.json" rows.csv
}

for generators in 1 3; do
    one_of "0 1 3 5" "$PB" run retries.json --quiet --no-charts --json --set generators=$generators
    mv out document.json
    sum_is_sent document.json
    run 0 "$PB" show latest --recompute
    has out SAME
    rows_agree
done
holds "$(number document.json totals.attempts.sent) > $(number document.json totals.sent)" "no retries"
holds "$(number document.json totals.attempts.per_request_ratio) > 1.3" "30 % of errors alone make 1.4 attempts"
holds "$(number document.json totals.attempts.outcomes.ok) == $(number document.json totals.outcomes.ok)" "ok is never tried again"
holds "$(number document.json totals.attempts.outcomes.client_error) == $(number document.json totals.outcomes.client_error)" "nor are client errors"
holds "$(number document.json totals.latency.count) == $(number document.json totals.outcomes.ok)" "latencies are of requests"
holds "$(number document.json totals.latency.max_ns) > 5000000" "latency holds the pauses"
holds "$(number document.json instrument.retry_lag.count) > 0" "no retry lag"
has document.json '"retry_load"'
has results/"$(ls -t results | head -n 1)"/timeline.csv ",retries"
one_of "0 1 3 5" "$PB" show latest
has out "were tried again"
has out "retry_load"

# Without retries the same load makes as many attempts as requests, and the log has no column for them.
one_of "0 1 3 5" "$PB" run retries.json --quiet --no-charts --json --set retries.max=0
holds "$(number out totals.attempts.sent) == $(number out totals.sent)" "attempts without retries"
lacks out '"retry_load"'

# The bounds are known before: three retries, pauses of 5, 10 and 12 ms.
run 0 "$PB" plan retries.json --json
holds "$(number out retries.attempts_max) == 4 && $(number out retries.pauses_max_ns) == 27000000" "bounds"
holds "$(number out retries.attempts_expected) > 1.4 && $(number out retries.attempts_expected) < 1.5" "expected attempts"
run 0 "$PB" validate retries.json
has out "up to 4 attempts and pauses up to 27 ms in all; the load grows to 4 times itself at worst, by 43.6 %"
run 0 "$PB" validate retries.json --set retries.max=0
lacks out "retries:"
run 2 "$PB" validate retries.json --set 'retries.on=["eror"]'
has err 'retries.on[0]: "eror" is no outcome; did you mean "error"?'

# A set sums them up.
one_of "0 1 3 5" "$PB" run retries.json --quiet --no-charts --json --runs 2
sum_is_sent out

# Ctrl-C: what waits for its next attempt ends as its last one did, and the books balance.
cat >patient.json <<'END'
{ "pool": { "size": 2 }, "workload": { "service": "1ms", "error_rate": 1 },
  "retries": { "max": 5, "delay": "20s" },
  "phases": [ { "name": "main", "duration": "60s", "rate": 200 } ] }
END
"$PB" run patient.json --quiet --no-charts --json >out 2>err &
pid=$!
sleep 2
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 130 ] || { echo "exit code $code"; cat out err; exit 1; }
sum_is_sent out
mv out document.json
holds "$(number document.json totals.attempts.abandoned) > 20" "nobody waited"
holds "$(number document.json totals.attempts.sent) == $(number document.json totals.sent)" "tried again after all"
holds "$(number document.json totals.outcomes.error) + $(number document.json totals.outcomes.cancelled) == $(number document.json totals.sent)" "the last attempt's outcome"
run 0 "$PB" show latest --recompute
has out SAME

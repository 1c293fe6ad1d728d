# Faults of workers: each begins and ends at its time, is told in events, result and chart, and costs what it should and
# no more; the books stay right whatever happens.
. "$SRC/tests/cli/lib.sh"

# events KIND WORD : how many events of the latest run are of this kind and say the word.
events() {
    grep -c "\"event\":\"$1\",\"detail\":\"[^\"]*$2" "results/$(ls -t results | head -n 1)/events.jsonl" || :
}

cat >threads.json <<'END'
{ "pool": { "size": 6, "strategy": "round_robin", "operation_timeout": "100ms", "stuck_after": "80ms" },
  "workload": { "service": "2ms" },
  "phases": [ { "name": "warmup", "duration": "200ms", "rate": 300, "record": false },
              { "name": "main", "duration": "3s", "rate": 600 } ],
  "faults": [ { "at": "main+100ms", "slow_worker": 0, "factor": 10, "for": "300ms" },
              { "at": "main+500ms", "fail_worker": "any", "probability": 0.5, "for": "400ms" },
              { "at": "main+1s", "leak_worker": "all", "bytes": "16KiB", "for": "300ms" },
              { "at": "main+1400ms", "hang_worker": "any" },
              { "at": "main+2s", "kill_worker": "all" },
              { "at": "main+2500ms", "stall": "50ms" } ],
  "slo": [ "recovery_time < 5s" ] }
END
one_of "0 3 5" "$PB" run threads.json --quiet --json
mv out document.json
sum_is_sent document.json
run 0 "$PB" show latest --recompute
has out SAME
for kind in slow_worker fail_worker leak_worker hang_worker stall; do
    [ "$(events fault_begin $kind)" = 1 ] && [ "$(events fault_end $kind)" = 1 ] || { echo "events of $kind"; exit 1; }
done
[ "$(events fault_begin kill_worker)" = 1 ] && [ "$(events fault_end kill_worker)" = 0 ] || { echo "events of kill_worker"; exit 1; }
holds "$(number document.json totals.outcomes.error) > 0" "nothing failed"
holds "$(number document.json totals.outcomes.operation_timeout) >= 1" "the hanging worker had a request"
holds "$(number document.json totals.outcomes.worker_lost) <= 6" "six workers were killed, with one request each at most"
holds "$(number document.json totals.latency.max_ns) > 18e6" "nothing was slow"
holds "$(grep -c '"ended_ns": [0-9]' document.json) == 5" "five faults ended"
has document.json '"workers": 6'
script=results/$(ls -t results | head -n 1)/charts/timeline.gp
[ ! -e "$script" ] || holds "$(grep -c 'set object 10[0-9][0-9] rectangle' "$script") >= 5" "bands on the timeline"

# The same seed hits the same workers; another one others, sooner or later.
hit() { grep '"worker": [0-9]' document.json | head -n 6; }
hit >first
one_of "0 3 5" "$PB" run threads.json --quiet --no-charts --json
mv out document.json
hit | sed -n 1,4p >second
sed -n 1,4p first | cmp - second || { echo "other workers were hit"; exit 1; }

# Processes: stopped ones are killed once nobody waits any more, garbage costs the worker, leaks are its own memory.
cat >processes.json <<'END'
{ "pool": { "profile": "process", "size": 4, "strategy": "round_robin", "operation_timeout": "150ms", "kill_after": "50ms" },
  "workload": { "service": "2ms" },
  "phases": [ { "name": "warmup", "duration": "200ms", "rate": 200, "record": false },
              { "name": "main", "duration": "3s", "rate": 400 } ],
  "faults": [ { "at": "main+100ms", "stop_worker": 0, "for": "50ms" },
              { "at": "main+400ms", "stop_worker": 1 },
              { "at": "main+900ms", "hang_worker": 2 },
              { "at": "main+1400ms", "corrupt_worker": 3, "probability": 0.5, "for": "1s" },
              { "at": "main+1800ms", "kill_worker": 0 },
              { "at": "main+2s", "leak_worker": "all", "bytes": "256KiB" } ],
  "slo": [ "recovery_time < 5s" ] }
END
one_of "0 3 5" "$PB" run processes.json --quiet --no-charts --json
mv out document.json
sum_is_sent document.json
run 0 "$PB" show latest --recompute
has out SAME
holds "$(number document.json totals.outcomes.operation_timeout) >= 2" "one stopped for good, one hung"
holds "$(number document.json totals.outcomes.worker_lost) >= 1" "one wrote garbage, one was killed"
holds "$(grep -c '"recovery_ns": [0-9]' document.json) >= 4" "four were recovered from"
for kind in stop_worker hang_worker corrupt_worker; do
    [ "$(events fault_begin $kind)" = "$(events fault_end $kind)" ] || { echo "events of $kind"; exit 1; }
done
[ "$(events fault_end leak_worker)" = 0 ] || { echo "the leak was to last"; exit 1; }
# Nobody stays: workers ran in this folder.
stayed() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$PWD" ] && tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep 'worker synthetic' || :
    done
}
[ -z "$(stayed)" ] || { echo "workers stayed:"; stayed; exit 1; }

# 100 requests a second and worker for a second, 256 KiB each: their memory says so.
leaked=$(number document.json worker_resources.rss_peak_bytes)
one_of "0 3 5" "$PB" run processes.json --quiet --no-charts --json --set faults.5.bytes=1
holds "$leaked > $(number out worker_resources.rss_peak_bytes) + 8e6" "no leak to be seen"

# Interrupted while workers hang and stand still: it ends all the same.
sed 's/"3s"/"60s"/; s/150ms/60s/' processes.json >long.json
"$PB" run long.json --quiet --no-charts --json >out 2>err &
pid=$!
sleep 2.5
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 130 ] || { echo "exit code $code"; cat out err; exit 1; }
sum_is_sent out
[ -z "$(stayed)" ] || { echo "workers stayed:"; stayed; exit 1; }

# What cannot be is said before anything starts.
refuse() { # text in the message, faults
    printf '{ "rate": 100, "duration": "1s", "faults": [ %s ] }\n' "$2" >broken.json
    run 2 "$PB" validate broken.json
    has err "$1"
}
refuse "stop_worker needs profile process: a thread cannot be stopped alone" '{ "at": "500ms", "stop_worker": 0 }'
refuse "slow_worker needs it" '{ "at": "500ms", "slow_worker": 0 }'
refuse "for does not go with kill_worker" '{ "at": "500ms", "kill_worker": 0, "for": "1s" }'
refuse "not two" '{ "at": "500ms", "kill_worker": 0, "stall": "1s" }'
run 0 "$PB" validate "$SRC/scenarios/faults.json"
has out "leak_worker any 64 KiB for 1500ms at main+5s: about 7"

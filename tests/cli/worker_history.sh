# What run.json, events.jsonl and the screen say of single workers: lives, losses and recoveries, memory and CPU.
. "$SRC/tests/cli/lib.sh"
cat >kills.json <<'END'
{ "pool": { "size": 3, "profile": "process", "strategy": "fifo" }, "workload": { "service": "2ms" },
  "phases": [ { "name": "main", "duration": "3s", "arrival": "constant", "rate": 300 } ],
  "faults": [ { "at": "1s", "kill_worker": 1 }, { "at": "1500ms", "kill_worker": "any" } ],
  "slo": [ "recovery_time < 2s", "worker.memory < 500MB" ] }
END
one_of "0 3" "$PB" run kills.json --quiet --no-charts
has out "workers lost 2 (by faults) · recovered 2: p50 "
has out "worker processes: largest "
document=$(ls results/kills-*/run.json)
[ "$(number "$document" recovery.by_fault)" = 2 ]
[ "$(number "$document" recovery.recovered)" = 2 ]
holds "$(number "$document" recovery.max_ns) > 0" "a recovery takes time"
holds "$(grep -c '"recovery_ns": *[1-9]' "$document") == 4" "two faults and two losses tell theirs"
# Three workers and two replacements, and between them all requests of the run.
holds "$(grep -c '"started_at_ns"' "$document") == 5" "five lives"
holds "$(number "$document" worker_resources.lives) == 5" "five lives"
holds "$(number "$document" pool_activity.ended.killed) == 2" "two killed"
requests=$(awk '/"workers_history"/ { inside = 1 } inside && /"requests":/ { gsub(/[^0-9]/, ""); sum += $0 } END { print sum }' "$document")
holds "$requests == $(number "$document" totals.sent)" "the lives' requests are the run's ($requests)"
holds "$(grep -c '"pid": *[1-9]' "$document") >= 5" "processes have numbers"
holds "$(number "$document" worker_resources.rss_peak_bytes) > 100000" "a process has memory"
holds "$(number "$document" pool_activity.capacity_total) - $(number "$document" pool_activity.capacity_used) - $(number "$document" pool_activity.capacity_available) < 1e-9" "capacity"
holds "$(number "$document" pool_activity.jain_requests) > 0.8" "fifo shares evenly"
events=$(ls results/kills-*/events.jsonl)
[ "$(grep -c '"event":"worker_lost"' "$events")" = 2 ]
grep -q '"event":"worker_up".*"incarnation":0,"pid":[0-9]' "$events"
run 0 "$PB" report results/kills-*
grep -q "Workers lost" results/kills-*/report.html

# Who is too large is named, and decides.
one_of "1 3" "$PB" run kills.json --quiet --no-charts --set workload.memory=40MiB --set 'slo=["worker.memory < 20MB"]' \
    --set 'faults=[]' --set rate=20 --results big
has out "FAIL  worker.memory < 20MB"
[ "$code" = 3 ] || has out "broke: worker "

# After the last request nobody comes to the replacement: no failure, and no proof.
one_of "5 3" "$PB" run kills.json --quiet --no-charts --set rate=20 --set 'faults=[{"at":"2970ms","kill_worker":2}]' \
    --results idle
has out "NO DATA  recovery_time"

# Threads: CPU time of each, and no memory of their own.
cat >threads.json <<'END'
{ "rate": 100, "duration": "2s", "pool": { "size": 2, "strategy": "round_robin" },
  "workload": { "service": "4ms", "cpu_share": 1 } }
END
one_of "0 3" "$PB" run threads.json --quiet --no-charts --json
holds "$(number out worker_resources.cpu_ratio) > 0.05" "threads burn CPU time"
holds "$(number out worker_resources.estimated_share_bytes) > 0" "an even share"
has out '"rss_peak_bytes": null'

# Before any load: deadlines that nest badly, settings without effect.
run 0 "$PB" validate kills.json --set pool.operation_timeout=1s --set pool.health_check_interval=1s --set sessions=9
has out "the outer deadline is usually the longer"
has out "a health check may last 5 s"
has out "sessions has no effect"

# A pool that is resized and reconfigured under load: each change is acknowledged with the settings before and after it,
# nothing is lost, and chart, screens and documents tell of it.
. "$SRC/tests/cli/lib.sh"
cat >resize.json <<'END'
{ "pool": { "size": 4, "queue_limit": 2000, "max_size": 16 },
  "workload": { "service": { "distribution": "exponential", "mean": "2ms" } },
  "phases": [ { "name": "warmup", "duration": "200ms", "rate": 400, "record": false },
              { "name": "main", "duration": "2s", "rate": 800 } ],
  "changes": [ { "at": "main+1200ms", "set": { "pool.size": 99 } },
               { "at": "main+300ms", "set": { "pool.size": 8, "pool.checkout_timeout": "3s" } },
               { "at": "main+600ms", "set": { "pool.size": 4 } },
               { "at": "main+900ms", "set": { "pool.size": 1, "pool.queue_limit": 1500 } },
               { "at": "main+1500ms", "set": { "pool.strategy": "round_robin" } } ] }
END
run 0 "$PB" validate resize.json
run 0 "$PB" plan resize.json
one_of "0 3" "$PB" run resize.json --json --quiet
sum_is_sent out
holds "$(number out totals.sent) == $(number out totals.outcomes.ok)" "all ok"
holds "$(number out totals.peak_workers) == 16" "peak"
events=$(ls results/*/events.jsonl)
[ "$(grep -c '"pool.resize"' "$events")" = 4 ]
[ "$(grep -c '"pool.change"' "$events")" = 1 ]
# The first one by time, with old and new; the one beyond max_size is cut to it.
grep '"pool.resize"' "$events" | head -n 1 >first
has first '"detail":"pool.size 8, pool.checkout_timeout 3s at main+300ms"'
has first '"old":{"pool.size":4,"pool.max_overflow":0,"pool.queue_limit":2000'
has first '"new":{"pool.size":8,"pool.max_overflow":0,"pool.queue_limit":2000'
has first '"pool.checkout_timeout":"3s"'
has first '"refused":null'
grep '"pool.resize"' "$events" | tail -n 1 >last
has last 'pool.size 99 (cut to max_size) at main+1200ms'
has last '"old":{"pool.size":1,"pool.max_overflow":0,"pool.queue_limit":1500'
has last '"new":{"pool.size":16,'
has out '"change": "pool.strategy round_robin at main+1500ms"'
chart=$(ls results/*/charts/timeline.svg 2>/dev/null) || chart=
[ -z "$chart" ] || has "$chart" "pool.size 99"
run 0 "$PB" show latest --recompute
has out SAME

# Beside the file, and refused before anything starts.
one_of "0 3" "$PB" run resize.json --no-charts --json --quiet --set 'changes=[{"at":"main+1s","set":{"pool.queue_limit":50}}]'
has out '"change": "pool.queue_limit 50 at main+1s"'
rm -r results
run 2 "$PB" run resize.json --set 'changes=[{"at":"main+1s","set":{"pool.lazy":true}}]'
has err 'pool.lazy cannot change while the pool runs'
nothing_stored

# Memory does not grow with the number of requests: a million of them, all kept in the log.
. "$SRC/tests/cli/lib.sh"
cat >million.json <<'END'
{ "pool": { "size": 1, "queue_limit": 100000 }, "workload": { "type": "null" }, "keep": "requests",
  "phases": [ { "name": "warmup", "duration": "200ms", "rate": 200000, "record": false },
              { "name": "main", "duration": "4s", "rate": 250000 } ] }
END
one_of "0 3" "$PB" run million.json --quiet --no-charts --json
sum_is_sent out
peak=$(number out resources.peak_rss_bytes)
holds "$(number out totals.sent) > 990000" "requests"
holds "$peak < 64 * 1024 * 1024" "resident memory"
holds "$peak - $(number out resources.start_rss_bytes) < 8 * 1024 * 1024" "growth since the warm-up"
bytes=$(cat results/*/requests.pbr | wc -c)
holds "$bytes / 1040000 <= 16" "bytes a request on disk"
run 0 "$PB" show latest --recompute
has out SAME

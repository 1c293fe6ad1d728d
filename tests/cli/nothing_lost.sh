# Records wait rather than drop: with a disk that hangs for 2.5 s, more requests come than the buffers hold; each of them is
# in the log in the end, the counters are exact, and the run does not claim to have measured well.
. "$SRC/tests/cli/lib.sh"
command -v gcc >/dev/null || { echo "gcc is not installed"; exit 77; }
gcc -D_GNU_SOURCE -shared -fPIC -O1 -o slow_write.so "$SRC/tests/cli/slow_write.c" -ldl
cat >fast.json <<'END'
{ "pool": { "size": 1, "queue_limit": 1000 }, "workload": { "type": "null" }, "keep": "requests",
  "phases": [ { "name": "main", "duration": "2s", "rate": 250000 } ] }
END
run 3 env ASAN_OPTIONS=verify_asan_link_order=0 SLOW_WRITE_MS=2500 LD_PRELOAD=./slow_write.so "$PB" run fast.json --quiet --no-charts --json
sum_is_sent out
has out '"id": "recorder_stall"'
holds "$(number out totals.sent) > 490000" "requests"
holds "$(number out totals.unsent) == 0" "unsent"
holds "$(number out instrument.recorder_stall_ns) > 100e6" "waiting"
holds "$(number out resources.peak_rss_bytes) < 64 * 1024 * 1024" "memory"
run 0 "$PB" show latest --recompute
has out SAME

# Nobody reads the progress: the run goes on.  A stream that is closed does not get mixed up with a result.
tiny >tiny.json
rm -r results
("$PB" run tiny.json --no-charts 2>&1 >/dev/null || true) | head -n 1 >first
[ -s first ]
[ -s results/*/run.json ] || { echo "a closed pipe ended the run"; exit 1; }
one_of "0 3" sh -c '"$PB" run tiny.json --no-charts 2>&-'
run 0 "$PB" show latest --recompute
has out SAME

# Coordinated omission: a pool that stands still while requests keep coming must show it in p99 and p99.9, as the
# closed form says, and must leave the median alone.
. "$SRC/tests/cli/lib.sh"
cat >plain.json <<'END'
{ "pool": { "size": 1, "queue_limit": 2000 }, "workload": { "service": "50us" },
  "phases": [ { "name": "warmup", "duration": "200ms", "arrival": "constant", "rate": 1000, "record": false },
              { "name": "main", "duration": "4s", "arrival": "constant", "rate": 1000 } ] }
END
sed 's/"pool"/"faults": [ { "at": "main+1s", "stall": "500ms" } ], "pool"/' plain.json >stall.json

# measure SCENARIO : its document into SCENARIO.document
measure() {
    one_of "0 3" "$PB" run "$1.json" --quiet --no-charts --json
    mv out "$1.document"
    holds "$(number "$1.document" totals.outcomes.ok) == 4000" "requests lost"
}

# Request k of the stall (k = 0, 1, ...) is due at k ms, waits for the stall's end and for the k before it, each of which
# takes d; requests go on coming while the backlog shrinks by 1 ms - d each.  So latency = 500 ms - k (1 ms - d) + d,
# falling with k, and the k-th largest of 4000 is this.  d is taken from the run: its median service time.
truth() { # quantile
    awk -v q="$1" -v d="$(number stall.document totals.service.p50_ns)" 'BEGIN {
        k = 4000 - q * 4000; if (k > int(k)) k = int(k) + 1
        printf "%.0f\n", 500e6 - k * (1e6 - d) + d }'
}

median_agrees() {
    plain=$(number plain.document totals.latency.p50_ns)
    stalled=$(number stall.document totals.latency.p50_ns)
    awk -v a="$plain" -v b="$stalled" 'BEGIN { limit = a / 10 > 10000 ? a / 10 : 10000; apart = a > b ? a - b : b - a
        print "p50 without the stall " a " ns, with it " b " ns"; exit apart > limit }'
}

tail_agrees() { # quantile, its key
    was=$(number stall.document "totals.latency.$2")
    should=$(truth "$1")
    awk -v w="$was" -v s="$should" -v k="$2" 'BEGIN { print k " " w ", by the closed form " s; exit w < 0.98 * s || w > 1.02 * s }'
}

# Neighbours on the machine move a median, and even a drain, for moments at a time: the two are measured alternately and
# have four chances.  Latencies that hide the stall are out by a factor of hundreds, each time.
tries=0
while :; do
    measure plain
    measure stall
    holds "$(number stall.document totals.latency.max_ns) >= 500e6" "the longest wait"
    if tail_agrees 0.99 p99_ns && tail_agrees 0.999 p999_ns && median_agrees; then
        break
    fi
    tries=$((tries + 1))
    [ $tries -lt 4 ] || exit 1
done

# When it is the generator that stands still, its latencies are its own, and the run says so.
"$PB" run plain.json --quiet --no-charts --json >out 2>err &
pid=$!
sleep 2
kill -STOP $pid
sleep 0.4
kill -CONT $pid
code=0
wait $pid || code=$?
[ $code = 3 ] || { echo "exit code $code of a run that was stopped"; exit 1; }
has out '"id": "send_lag"'
holds "$(number out totals.sent) == 4000" "catching up"

# tune: the answer known from Erlang C (within one worker), a kill in the middle and --resume, apply and
# rollback byte for byte, and a range in which nothing meets the objective.
. "$SRC/tests/cli/lib.sh"
scenario() { # limit of p99, range of sizes
    cat <<EOF
{ // exponential work that waits: M/M/c with 2 erlangs
  "name": "known", "pool": { "size": 8, "queue_limit": 5000 }, /* far too many */
  "workload": { "service": { "distribution": "exponential", "mean": "5ms" } },
  "phases": [ { "name": "warmup", "duration": "200ms", "rate": 400, "record": false },
              { "name": "main", "duration": "2s", "rate": 400 } ],
  "slo": [ "latency.p99 < $1" ],
  "tune": { "vary": { "pool.size": "$2" }, "budget": { "time": "45s" } }, }
EOF
}
recommended() { sed -n 's/.*"recommended": *{[^}]*"pool.size": *\([0-9]*\).*/\1/p' "$1" | head -n 1; }
flat() { tr -d '\n' <"$1" >flat.json; }

# p99 at 2 workers is without bound, at 3 it is 29.5 ms, at 4 23.8 ms: the limit is the geometric mean.
scenario 26.5ms 2..10 >known.json
cp known.json before.json
run 0 "$PB" validate known.json
"$PB" tune known.json --quiet >out 2>err &
pid=$!
sleep 12
kill -KILL $pid
wait $pid || true
run 0 "$PB" list
has out "unfinished tune"
folder=results/$(ls results | head -n 1)
one_of "0 5" "$PB" tune --resume "$folder" --quiet --json
flat out
size=$(recommended flat.json)
case $code-$size in
0-3 | 0-4 | 0-5) ;;
5-*) echo "the machine was too busy to decide (exit 5)"; exit 77 ;;
0-[67])
    thrown=$(sed -n 's/.*"real_runs": *{[^}]*"invalid": *\([0-9]*\).*/\1/p' flat.json)
    [ "$thrown" = 0 ] || { echo "busy: $thrown runs were thrown away"; exit 77; }
    echo "recommended size '$size', Erlang C says 4"; cat out; exit 1 ;;
*) echo "recommended size '$size', Erlang C says 4"; cat out; exit 1 ;;
esac
run 0 "$PB" show latest
has out "USE size $size (now 8)"

run 0 "$PB" apply latest known.json
has known.json "\"size\": $size"
has known.json "/* far too many */"
run 2 "$PB" apply latest no-such-file.json
run 0 "$PB" rollback known.json
cmp known.json before.json
run 2 "$PB" rollback known.json

# The work alone takes longer than the limit: no size can help.
scenario 2ms 2..3 >infeasible.json
one_of "1 5" "$PB" tune infeasible.json --quiet
[ $code = 5 ] || has out "INFEASIBLE"
run 2 "$PB" apply latest infeasible.json

tiny >no_tune.json
run 2 "$PB" tune no_tune.json
[ "$(wc -l <err)" = 1 ]

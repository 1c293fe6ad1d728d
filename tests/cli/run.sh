# run: stores a whole folder, prints the verdict first, adds up, and can be shown and recomputed.
. "$SRC/tests/cli/lib.sh"
tiny >tiny.json
one_of "0 3" "$PB" run tiny.json
head -n 1 out | grep -qE '^(PASS|UNTRUSTED) \(one run\)  tiny'
has out "sent ="
has out "reproduce: $PB run tiny.json"
folder=results/$(ls results)
for file in run.json scenario.json requests.pbr timeline.csv events.jsonl latency.hlog; do
    [ -s "$folder/$file" ] || { echo "missing $file"; exit 1; }
done
sum_is_sent "$folder/run.json"
[ -z "$(ls -A results | grep '^\.tmp')" ]

one_of "0 3" "$PB" run tiny.json --json --quiet --no-charts
has out '"schedule_hash"'
[ ! -s err ]
sum_is_sent out

run 0 "$PB" show latest --recompute
has out "SAME"
run 0 "$PB" show latest
has out "sent ="
run 0 "$PB" list
[ "$(wc -l <out)" = 2 ]
run 0 "$PB" export latest
[ "$(head -n 1 out | cut -d, -f1)" = phase ]
run 0 "$PB" export latest --format jsonl
run 0 "$PB" export latest --format hgrm
has out "Percentile"
run 2 "$PB" export latest --format xml
run 2 "$PB" show no-such-run

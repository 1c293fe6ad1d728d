# A results folder that cannot be written, or a disk that fills up: exit 4, one line, no half folder.
. "$SRC/tests/cli/lib.sh"
tiny >tiny.json
echo "in the way" >results
run 4 "$PB" run tiny.json
[ "$(wc -l <err)" -le 3 ]
has err results
rm results

# The last word counts: what cannot be printed is not a yes, whichever the subcommand.
one_of "0 3" "$PB" run tiny.json --quiet --no-charts
for command in "run tiny.json --quiet --no-charts" "validate tiny.json" "plan tiny.json" "list" "show latest" \
    "show latest --recompute" "export latest" "fields" "fields --json"; do
    code=0
    # shellcheck disable=SC2086
    "$PB" $command >/dev/full 2>err || code=$?
    [ $code = 4 ] || { echo "exit code $code of '$command' on a full device"; exit 1; }
    [ "$(wc -l <err)" = 1 ] || { cat err; exit 1; }
done
rm -r results

# A file size limit stops the log, not the run: the counters are exact, and the result says what is missing.
cat >null.json <<'END'
{ "pool": { "size": 1, "queue_limit": 100000 }, "workload": { "type": "null" }, "keep": "requests",
  "phases": [ { "name": "main", "duration": "1s", "rate": 50000 } ] }
END
code=0
(ulimit -f 200 && exec "$PB" run null.json --quiet --no-charts) >out 2>err || code=$?
[ $code = 3 ] || { echo "exit code $code at the file size limit"; cat out err; exit 1; }
has out "WARNING log_failed"
sum_is_sent results/*/run.json
holds "$(number "$(ls results/*/run.json)" totals.sent) > 45000" "requests"
run 1 "$PB" show latest --recompute
has out "cut short"
rm -r results

[ "$(id -u)" = 0 ] && mkdir disk && mount -t tmpfs -o size=16k tmpfs disk 2>/dev/null || exit 0
trap 'umount disk' EXIT
full() { # what, scenario
    code=0
    "$PB" run "$2" --quiet --results disk/results >out 2>err || code=$?
    [ $code = 4 ] || { echo "exit code $code: $1"; cat out err; exit 1; }
    [ "$(wc -l <err)" = 1 ] || { cat err; exit 1; }
    left=$(ls -A disk/results 2>/dev/null || true)
    [ -z "$left" ] || { echo "left behind: $left, $1"; exit 1; }
}
full "full when the result is stored" tiny.json
mount -o remount,size=200k disk
full "full in mid-run" null.json
mount -o remount,ro disk
full "read-only" tiny.json

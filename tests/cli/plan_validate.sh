# validate and plan: arithmetic before any load, nothing run, nothing stored.
. "$SRC/tests/cli/lib.sh"
for scenario in "$SRC"/scenarios/*.json; do
    case $scenario in *.schema.json) continue ;; esac
    run 0 "$PB" validate "$scenario"
    run 0 "$PB" plan "$scenario"
    has out "nothing was run"
done
run 0 "$PB" validate "$SRC"/scenarios/*.json
has out "a schema for editors"
run 0 "$PB" validate "$SRC/scenarios/overload.json"
has out "is an overload"
run 0 "$PB" validate --effective "$SRC/scenarios/smoke.json"
has out '"checkout_timeout": "5s"'
run 0 "$PB" plan "$SRC/scenarios/steady.json" --json
hash=$(grep schedule_hash out)
run 0 "$PB" plan "$SRC/scenarios/steady.json" --json --set pool.size=3 --set pool.checkout_timeout=1s
[ "$hash" = "$(grep schedule_hash out)" ] || { echo "pool settings changed the schedule"; exit 1; }
run 0 "$PB" plan "$SRC/scenarios/steady.json" --json --seed 7
[ "$hash" != "$(grep schedule_hash out)" ] || { echo "the seed did not change the schedule"; exit 1; }
run 0 "$PB" fields
has out "pool.size"
run 0 "$PB" fields --json
nothing_stored

# The schema is JSON that the strict reader takes: no key stands twice (it is no scenario, hence 2).
"$PB" fields --schema >schema.json
run 2 "$PB" validate schema.json
lacks err "given twice"

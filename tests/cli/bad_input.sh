# Bad input: exit 2, one clear line for each mistake, nothing written.
. "$SRC/tests/cli/lib.sh"
run 2 "$PB" run no-such-file.json
[ "$(wc -l <err)" = 1 ]
run 2 "$PB" rnu
has err "did you mean 'run'?"
run 2 "$PB" run --szie 4
has err "did you mean '--size'?"
tiny >tiny.json
run 2 "$PB" run tiny.json --runs 0
run 2 "$PB" run tiny.json --runs many
run 2 "$PB" run tiny.json --set pool.size=0
run 2 "$PB" run tiny.json --set pool.size=four
run 2 "$PB" run tiny.json --set nonsense
run 2 "$PB" run tiny.json --time 1ms
has err "over --time"
run 2 "$PB" run tiny.json extra words
run 2 "$PB"
for broken in "$SRC"/tests/data/broken/*.json; do
    run 2 "$PB" run "$broken"
    [ -s err ] || { echo "no word about $broken"; exit 1; }
    run 2 "$PB" validate "$broken"
    run 2 "$PB" tune "$broken"
done
nothing_stored

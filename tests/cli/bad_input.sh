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
# one_line_each FILE : no line is torn by what it quotes, and none steers the terminal.
one_line_each() {
    ! LC_ALL=C grep -n "[$(printf '\001-\010\013-\037\177')]" "$1" || exit 1
}
tried=0
for broken in "$SRC"/tests/data/broken/*.json; do
    run 2 "$PB" run "$broken"
    [ -s err ] || { echo "no word about $broken"; exit 1; }
    [ "$(grep -cF "$broken" err)" = "$(wc -l <err)" ] || { cat err; exit 1; }
    one_line_each err
    run 2 "$PB" validate "$broken"
    run 2 "$PB" tune "$broken"
    tried=$((tried + 1))
done
[ $tried -ge 40 ] || { echo "only $tried broken scenarios"; exit 1; }
nothing_stored

# Words of the user's own, hostile ones too: said on one line, quoted where a shell would take them for more.
hostile=$(printf 'it'"'"'s `id` $(id); \033[31mred\nnext.json')
tiny | sed 's/"name": "tiny", //' >"$hostile"
lines() { # how many lines a plain name leads to, the hostile one leads to
    wc -l <out >want
    run 0 "$PB" "$@" "$hostile"
    [ "$(wc -l <out)" = "$(cat want)" ] || { cat out; exit 1; }
    one_line_each out
}
run 0 "$PB" validate tiny.json
lines validate
run 0 "$PB" plan tiny.json
lines plan
one_of "0 3" "$PB" run "$hostile" --quiet --set "description=$hostile"
one_line_each out
[ "$(grep -c '^reproduce: .* --seed 1$' out)" = 1 ] || { cat out; exit 1; }
ls -A results >names
[ "$(wc -l <names)" = 1 ]
! grep -q '[^A-Za-z0-9_.-]' names || { cat names; exit 1; }
mkdir bin
printf '#!/bin/sh\nfor word; do printf "%%s\\n" "$word"; done >said\n' >bin/poolbench
chmod +x bin/poolbench
sed -n 's|^reproduce: [^ ]*|bin/poolbench|p' out >again
sh again
[ "$(sed -n 4p said)" = "description=it's "'`id` $(id); [31mrednext.json' ] || { cat -v again said; exit 1; }

# More than a line holds is not cut off in the command that runs it again.
long=$(awk 'BEGIN { while (i++ < 300) printf "long " }')
one_of "0 3" "$PB" run tiny.json --quiet --no-charts --set "description=$long"
has out "$long'"

# A seed at the end of its range has a successor.
one_of "0 3" "$PB" run tiny.json --quiet --no-charts --runs 2 --seed 9007199254740991 --json
has out '"seed": 0'

# run without a file: the settings say it all; the environment counts, the command line wins.
. "$SRC/tests/cli/lib.sh"
one_of "0 3" "$PB" run --set pool.size=4 --set workload.service=5ms --rate 100 --duration 1s
head -n 1 out | grep -qE '^(DONE, no objectives|UNTRUSTED)'
has out "(pool.size = 4, workload.service = 5ms, rate = 100, duration = 1s from the command line)"
has out "next: $PB show --recompute results/adhoc-"
sh -c "$(sed -n 's/^next: //p' out)" | grep -q '^SAME'
run 0 "$PB" plan --set pool.size=4 --rate 100 --duration 1s
has out "next: $PB run --set pool.size=4 --rate 100 --duration 1s"
run 0 "$PB" help run
has out "usage: poolbench run"
run 2 "$PB" help rnu
has err "did you mean 'run'"
POOLBENCH_SET="pool.size=3;rate=50"
export POOLBENCH_SET
one_of "0 3" "$PB" run --set pool.size=2 --duration 1s --json
has out '"size": 2'
POOLBENCH_SET="pool.sise=3" run 2 "$PB" run --rate 10 --duration 1s
has err 'did you mean "pool.size"'
POOLBENCH_SET="nonsense" run 2 "$PB" run --rate 10 --duration 1s
unset POOLBENCH_SET
run 2 "$PB" run

# run without a file: the settings say it all; the environment counts, the command line wins.
. "$SRC/tests/cli/lib.sh"
one_of "0 3" "$PB" run --set pool.size=4 --set workload.service=5ms --rate 100 --duration 1s
head -n 1 out | grep -qE '^(DONE, no objectives|UNTRUSTED)'
has out "pool.size = 4 from the command line"
POOLBENCH_SET="pool.size=3;rate=50"
export POOLBENCH_SET
one_of "0 3" "$PB" run --set pool.size=2 --duration 1s --json
has out '"size": 2'
POOLBENCH_SET="pool.sise=3" run 2 "$PB" run --rate 10 --duration 1s
has err 'did you mean "pool.size"'
POOLBENCH_SET="nonsense" run 2 "$PB" run --rate 10 --duration 1s
unset POOLBENCH_SET
run 2 "$PB" run

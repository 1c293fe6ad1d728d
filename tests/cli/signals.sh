# SIGINT and SIGTERM leave a valid result marked interrupted; SIGKILL leaves nothing that looks whole.
. "$SRC/tests/cli/lib.sh"
tiny | sed 's/"1s", "rate"/"20s", "rate"/' >long.json
interrupt() { # signal, exit code
    "$PB" run long.json --quiet --no-charts >out 2>err &
    pid=$!
    sleep 1.5
    kill "-$1" $pid
    code=0
    wait $pid || code=$?
    [ $code = "$2" ] || { echo "exit code $code after SIG$1"; cat out err; exit 1; }
}
interrupt INT 130
has out INTERRUPTED
has out "were not sent"
interrupt TERM 143
has out INTERRUPTED
for folder in results/*; do
    has "$folder/run.json" '"verdict": "interrupted"'
    sum_is_sent "$folder/run.json"
done
[ "$(ls results | wc -l)" = 2 ]

interrupt KILL 137
[ "$(ls results | wc -l)" = 2 ]
run 0 "$PB" list --recover
[ "$(ls results | wc -l)" = 3 ]
[ -z "$(ls -A results | grep '^\.tmp')" ]
interrupt KILL 137
tiny >tiny.json
one_of "0 3" "$PB" run tiny.json
has err "removed 1 unfinished folder"

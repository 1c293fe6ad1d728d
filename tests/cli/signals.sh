# SIGINT and SIGTERM leave a valid result marked interrupted; SIGKILL leaves nothing that looks whole.
. "$SRC/tests/cli/lib.sh"
tiny | sed 's/"1s", "rate"/"20s", "rate"/' >long.json
interrupt() { # signal, exit code, delay
    "$PB" run long.json --quiet --no-charts >out 2>err &
    pid=$!
    sleep "$3"
    kill "-$1" $pid
    code=0
    wait $pid || code=$?
    [ $code = "$2" ] || { echo "exit code $code after SIG$1"; cat out err; exit 1; }
}
interrupt INT 130 1.5
has out INTERRUPTED
has out "were not sent"
interrupt TERM 143 1.5
has out INTERRUPTED
for folder in results/*; do
    has "$folder/run.json" '"verdict": "interrupted"'
    sum_is_sent "$folder/run.json"
done
[ "$(ls results | wc -l)" = 2 ]

interrupt KILL 137 3 # the log writes once a second
[ "$(ls results | wc -l)" = 2 ]
run 0 "$PB" list --recover
[ "$(ls results | wc -l)" = 3 ]
[ -z "$(ls -A results | grep '^\.tmp')" ]
interrupt KILL 137 1
tiny >tiny.json
one_of "0 3" "$PB" run tiny.json
has err "removed 1 unfinished folder"

# At any moment: while calibrating, at work, draining, between the runs of a set, while writing.
whole() { # every folder that can be seen is one, and adds up
    for folder in results/*; do
        [ -e "$folder" ] || continue
        [ -s "$folder/run.json" ] || [ -s "$folder/set.json" ] || { echo "half a folder: $folder"; exit 1; }
        for document in "$folder"/run.json "$folder"/set.json "$folder"/run-*/run.json; do
            [ ! -e "$document" ] || sum_is_sent "$document"
        done
    done
}
moment() { # signal, delay, allowed exit codes, scenario, option...
    signal=$1 delay=$2 allowed=$3
    shift 3
    rm -rf results
    "$PB" run "$@" --quiet --no-charts >out 2>err &
    pid=$!
    sleep "$delay"
    kill "-$signal" $pid 2>/dev/null || true
    code=0
    wait $pid || code=$?
    case " $allowed " in
    *" $code "*) ;;
    *) echo "exit code $code after SIG$signal at $delay s: $*"; cat out err; exit 1 ;;
    esac
    whole
    [ "$signal" = KILL ] || [ -z "$(ls -A results | grep '^\.tmp')" ] || { ls -A results; exit 1; }
}
for delay in 0.1 0.25 0.7; do
    moment INT $delay 130 long.json
    moment TERM $delay 143 long.json --runs 2
    moment KILL $delay 137 long.json --runs 2
    run 0 "$PB" list --recover
    whole
    [ -z "$(ls -A results | grep '^\.tmp')" ]
done

cat >hang.json <<'END'
{ "pool": { "size": 2, "operation_timeout": "60s" }, "workload": { "service": "1ms", "hang_rate": 1 },
  "phases": [ { "name": "main", "duration": "200ms", "rate": 100 } ] }
END
moment INT 1.3 130 hang.json
holds "$(number "$(ls results/*/run.json)" totals.outcomes.cancelled) > 0" "draining"

tiny | sed 's/"1s", "rate"/"200ms", "rate"/' >short.json
for delay in 0.55 0.62 0.66 0.70 0.75; do
    moment INT $delay "0 3 130" short.json
    [ "$(ls results | wc -l)" = 1 ] || { echo "no result"; exit 1; }
    has out "sent ="
done

# A set killed after a whole run is not a whole set.
moment KILL 1.1 "137 0 3" short.json --runs 3
killed=$code
run 0 "$PB" list --recover
if [ $killed = 137 ] && [ -e results/*/set.json ]; then
    [ "$(number "$(ls results/*/set.json)" verdict)" = interrupted ] || { cat results/*/set.json; exit 1; }
fi

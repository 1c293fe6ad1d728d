# The same seed plans the same requests whatever compiled the planner: its arithmetic is built by gcc and clang, plain
# and optimised, and linked before the library, so that the rest of the program stays the one under test.
. "$SRC/tests/cli/lib.sh"
objects=$(dirname "$PB")/release
[ -e "$objects/libpoolbench.a" ] || { echo "the program does not lie in its build folder"; exit 77; }

cat >everything.json <<'END'
{ "seed": 77,
  "workload": { "operations": [
    { "name": "a", "weight": 3, "service": { "distribution": "lognormal", "p50": "3.5ms", "p99": "25ms" } },
    { "name": "b", "weight": 1, "service": { "distribution": "lognormal", "mean": "5ms", "p99": "25ms" } },
    { "name": "c", "weight": 1.7, "service": { "distribution": "exponential", "mean": "3ms" }, "error_rate": "1%" },
    { "name": "d", "weight": 0.3, "service": { "distribution": "uniform", "min": "1ms", "max": "9ms" }, "hang_rate": "1%" } ] },
  "phases": [
    { "name": "poisson", "duration": "3s", "arrival": "poisson", "rate": 1234.5 },
    { "name": "constant", "duration": "3s", "arrival": "constant", "rate": 777 },
    { "name": "ramp", "duration": "3s", "arrival": "ramp", "from": 10, "to": 1000 },
    { "name": "step", "duration": "3s", "arrival": "step", "from": 10, "to": 1000, "steps": 7 },
    { "name": "sine", "duration": "3s", "arrival": "sine", "mean": 500, "amplitude": 499, "period": "700ms" },
    { "name": "even", "duration": "3s", "arrival": "sine", "mean": 500, "amplitude": 499, "period": "700ms",
      "spacing": "even" },
    { "name": "burst", "duration": "3s", "arrival": "burst", "base": 100, "peak": 3000, "every": "1s",
      "length": "50ms" },
    { "name": "closed", "duration": "1s", "users": 20, "think": { "distribution": "exponential", "mean": "30ms" } } ] }
END
hashes() { # program
    for scenario in "$SRC"/scenarios/*.json everything.json; do
        case $scenario in *.schema.json) continue ;; esac
        run 0 "$1" plan "$scenario" --json
        echo "$(basename "$scenario") $(number out schedule_hash)"
    done
}
hashes "$PB" >expected
grep -q '[0-9a-f]\{16\}$' expected || { cat expected; exit 1; }
[ "$(cut -d' ' -f2 expected | sort -u | wc -l)" = "$(wc -l <expected)" ] || { cat expected; exit 1; }

tried=0
for compiler in gcc clang; do
    command -v $compiler >/dev/null || { echo "$compiler is not installed"; continue; }
    for level in -O0 -O3; do
        rm -f ./*.o
        for source in base/portable_math base/rng base/dist base/quantity harness/schedule harness/scenario_dist; do
            $compiler -std=c11 -D_GNU_SOURCE -I"$SRC/include" -I"$SRC" -pthread -ffp-contract=off $level \
                -c "$SRC/$source.c"
        done
        $compiler -pthread -o planner "$objects"/cli/*.o ./*.o "$objects/libpoolbench.a" -lcjson -lz -lm
        hashes ./planner >found
        diff expected found || { echo "$compiler $level plans other requests"; exit 1; }
        tried=$((tried + 1))
    done
done
[ $tried -ge 2 ] || { echo "no compiler to try it with"; exit 77; }

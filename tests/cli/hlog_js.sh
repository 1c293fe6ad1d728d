#!/bin/sh
# latency.hlog decodes in the npm package hdr-histogram-js to the counts and percentiles of run.json.
# Skipped (exit 77), with a word, where npm, node or the registry cannot be had.
set -eu
cd "$(dirname "$0")/../.."
: "${PB_PROGRAM:?the program under test}"
case $PB_PROGRAM in /*) ;; *) PB_PROGRAM=$PWD/$PB_PROGRAM ;; esac
package=hdr-histogram-js@3.0.1
node_modules=${PB_NODE_FOLDER:-build/hlog_js}

skip() {
    echo "skipped: $1"
    exit 77
}
command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
if [ ! -d "$node_modules/node_modules/hdr-histogram-js" ]; then
    mkdir -p "$node_modules"
    timeout 120 npm install --prefix "$node_modules" --no-audit --no-fund --silent "$package" \
        >"$node_modules/npm.log" 2>&1 || skip "npm cannot install $package here"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/two_phases.json" <<'END'
{ "pool": { "size": 8 }, "workload": { "service": { "p50": "2ms", "p99": "15ms" } },
  "phases": [ { "name": "warmup", "duration": "200ms", "rate": 300, "record": false },
              { "name": "steady", "duration": "1s", "rate": 500 },
              { "name": "busy", "duration": "1s", "rate": 1000 } ] }
END
# Whatever the machine makes of the verdict: the log must agree with the document.
status=0
"$PB_PROGRAM" run "$work/two_phases.json" --results "$work/results" --quiet \
    >"$work/out" 2>"$work/err" || status=$?
case $status in
0 | 1 | 3 | 5) ;;
*)
    echo "the run ended with exit code $status:"
    cat "$work/out" "$work/err"
    exit 1
    ;;
esac
run=$(echo "$work"/results/two_phases-*)
NODE_PATH=$node_modules/node_modules node tests/cli/hlog_js.js "$run"

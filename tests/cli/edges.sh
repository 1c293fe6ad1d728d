# The smallest, the largest and the emptiest: a verdict that makes sense, and never a pass without data.
. "$SRC/tests/cli/lib.sh"
edge() { # exit codes, verdict, scenario, option...
    codes=$1 verdict=$2
    shift 2
    one_of "$codes" "$PB" run "$@" --quiet --no-charts --json
    sum_is_sent out
    mv out document.json
    [ "$code" = 3 ] || [ "$(number document.json verdict)" = "$verdict" ] || {
        echo "verdict $(number document.json verdict), wanted $verdict: $*"
        exit 1
    }
    run 0 "$PB" show latest
    run 0 "$PB" show latest --recompute
}
one() { # objective
    cat <<END
{ "workload": { "service": "1ms" }, "slo": [ "$1" ],
  "phases": [ { "name": "main", "duration": "50ms", "arrival": "constant", "rate": 20 } ] }
END
}
one "latency.p99 < 1s" >latency.json
one "error_rate < 50%" >errors.json
one "recovery_time < 1s" >recovery.json

# No request at all, in 50 ms: nothing is known.
for scenario in latency errors; do
    edge 5 inconclusive $scenario.json --set phases.main.arrival=poisson --set phases.main.rate=0.001
    holds "$(number document.json totals.sent) == 0" "requests"
    holds "\"$(number document.json totals.latency.p99_ns)\" == \"null\"" "p99 of nothing"
done
run 2 "$PB" run recovery.json
# One request: too little to promise a percentile, enough to break one.
edge "3 5" inconclusive latency.json
holds "$(number document.json totals.sent) == 1" "requests"
edge "1 3" fail latency.json --set workload.error_rate=1
edge "3 5" inconclusive errors.json --set workload.error_rate=1 # 1 of 1: 2.5 % to 100 %
edge "3 5" inconclusive errors.json --set workload.client_error_rate=1 # judged without any request
# All of many fail.
edge "1 3" fail latency.json --set workload.error_rate=1 --set phases.main.rate=2000
edge "1 3" fail errors.json --set workload.error_rate=1 --set phases.main.rate=2000
edge "1 3" fail latency.json --set workload.hang_rate=1 --set pool.operation_timeout=20ms
holds "$(number document.json totals.outcomes.operation_timeout) == 1" "timeouts"

# 32 phases, each kind of arrival among them; one more is one too many.
phases() {
    awk -v n="$1" 'BEGIN {
        split("\"rate\": 500|\"arrival\": \"constant\", \"rate\": 500|\"arrival\": \"ramp\", \"from\": 100, \"to\": 900|" \
            "\"arrival\": \"step\", \"from\": 100, \"to\": 900, \"steps\": 3|\"arrival\": \"burst\", \"base\": 100, \"peak\": 2000, " \
            "\"every\": \"20ms\", \"length\": \"5ms\"|\"arrival\": \"sine\", \"mean\": 500, \"amplitude\": 500, \"period\": \"20ms\"|" \
            "\"users\": 5, \"think\": \"1ms\"", kind, "|")
        print "{ \"workload\": { \"service\": \"500us\" }, \"phases\": ["
        for (i = 1; i <= n; i++)
            print "{ \"name\": \"p" i "\", \"duration\": \"50ms\", " kind[i % 7 + 1] " }" (i < n ? "," : "")
        print "] }" }'
}
phases 32 >many.json
edge "0 3" pass many.json
[ "$(grep -c '"arrival_check"' document.json)" -le 32 ]
phases 33 >too_many.json
run 2 "$PB" run too_many.json

# A thousand workers, none waiting; workers who are all busy and no place to wait; no work, very often.
edge "0 3" pass latency.json --set pool.size=1024 --set phases.main.rate=4000 --set workload.service=100ms \
    --set slo='["error_rate < 10%"]'
holds "$(number document.json totals.peak_workers) == 1024" "workers"
edge "1 3" fail errors.json --set pool.size=1 --set pool.queue_limit=0 --set workload.service=40ms \
    --set phases.main.rate=1000
holds "$(number document.json totals.outcomes.rejected) > 40" "rejections"
edge "0 3" pass latency.json --set workload.type=null --set phases.main.rate=200000 --set phases.main.duration=500ms \
    --set pool.queue_limit=200000
holds "$(number document.json totals.outcomes.ok) == 100000" "requests"

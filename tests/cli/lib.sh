# tests/cli/lib.sh - what the scripts share; read with `. "$SRC/tests/cli/lib.sh"`.

# run CODE COMMAND... : runs it, output to ./out and ./err, and wants that exit code.
run() {
    want=$1
    shift
    code=0
    "$@" >out 2>err </dev/null || code=$?
    [ "$code" = "$want" ] || {
        echo "exit code $code, wanted $want: $*"
        head -n 40 out err
        exit 1
    }
}

# one_of "CODES" COMMAND... : the same, several codes allowed (a noisy machine may say 3 or 5).
one_of() {
    wanted=$1
    shift
    code=0
    "$@" >out 2>err </dev/null || code=$?
    case " $wanted " in
    *" $code "*) ;;
    *) echo "exit code $code, wanted one of $wanted: $*"; head -n 40 out err; exit 1 ;;
    esac
}

# has FILE TEXT : the text stands in it.
has() {
    grep -qF -- "$2" "$1" || {
        echo "not found in $1: $2"
        cat "$1"
        exit 1
    }
}

# lacks FILE TEXT
lacks() {
    ! grep -qF -- "$2" "$1" || {
        echo "must not stand in $1: $2"
        cat "$1"
        exit 1
    }
}

# nothing_stored : no result folder and no temporary one.
nothing_stored() {
    [ -z "$(ls -A results 2>/dev/null)" ] || {
        echo "results/ is not empty:"
        ls -A results
        exit 1
    }
}

# sum_is_sent FILE : in every phase and in total, sent is the sum of the outcomes (a run.json).
sum_is_sent() {
    awk '
    /"sent":/ { gsub(/[^0-9]/, ""); sent = $0; sum = 0; n = 0 }
    /"(ok|client_error|error|rejected|checkout_timeout|operation_timeout|worker_lost|cancelled)": *[0-9]/ {
        v = $0; sub(/.*: */, "", v); sub(/[^0-9].*/, "", v); sum += v
        if (++n == 8) { checked++; if (sum != sent) { print "sent " sent " but outcomes " sum; bad = 1 } }
    }
    END { if (!checked) { print "no accounts found"; bad = 1 } exit bad }' "$1"
}

# A scenario of one second that any machine carries.
tiny() {
    cat <<'EOF'
{ "name": "tiny", "pool": { "size": 2 }, "workload": { "service": "1ms" },
  "phases": [ { "name": "warmup", "duration": "100ms", "rate": 200, "record": false },
              { "name": "main", "duration": "1s", "rate": 200 } ],
  "slo": [ "latency.p50 < 1s" ] }
EOF
}

# number FILE KEY.KEY... : a value of a stored document (printed with two spaces for each level).
number() {
    awk -v want="$2" '
    match($0, /^ *"[^"]*":/) {
        indent = match($0, /[^ ]/) - 1
        key = $0; sub(/^ *"/, "", key); sub(/":.*/, "", key)
        path[indent / 2] = key
        at = path[1]
        for (i = 2; i <= indent / 2; i++) at = at "." path[i]
        if (at == want && !found) {
            v = $0; sub(/^[^:]*: */, "", v); sub(/,$/, "", v); gsub(/"/, "", v); print v; found = 1
        }
    }
    END { if (!found) exit 1 }' "$1" || { echo "no $2 in $1" >&2; exit 1; }
}

# holds EXPRESSION WORDS... : an arithmetic condition, in awk; the words say what broke.
holds() {
    condition=$1
    shift
    awk "BEGIN { exit !($condition) }" || { echo "$*: not $condition"; exit 1; }
}

# marked MARK : the processes whose environment holds PB_TEST_MARK=MARK, so also what workers started in turn.
marked() {
    grep -lszxF "PB_TEST_MARK=$1" /proc/[0-9]*/environ | cut -d/ -f3 || true
}

# none_left MARK : soon there is none of them.
none_left() {
    tries=0
    while left=$(marked "$1") && [ -n "$left" ]; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || { echo "still there: $left"; exit 1; }
        sleep 0.1
    done
}

# children PID : its child processes, zombies too.
children() {
    cat /proc/"$1"/task/*/children 2>/dev/null | tr ' ' '\n' | grep . || true
}

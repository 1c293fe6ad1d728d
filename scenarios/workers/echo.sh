#!/bin/sh
# A worker for poolbench in POSIX sh: docs/workers.md has the protocol (lines).
#
# echo ARGS        answers ARGS
# sleep {"ms": 5}  answers after so long (needs a sleep that takes fractions)
# fail {"kind": "client" or "server"}
# leak {"bytes": 65536}   keeps so much memory for good, and answers how much it has by now
# crash            does not answer: the process dies
kept=

number() { # KEY: the whole number behind it in the arguments
    value=${args#*\""$1"\":}
    value=${value# }
    value=${value%%[!0-9]*}
    printf '%s' "${value:-0}"
}

serve() { # ID COMMAND, and the rest of the line in $args
    case $2 in
    echo) printf 'ok %s %s\n' "$1" "$args" ;;
    sleep)
        ms=$(number ms)
        sleep "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))"
        printf 'ok %s\n' "$1"
        ;;
    fail)
        case $args in
        *'"client"'*) printf 'client_error %s as asked for\n' "$1" ;;
        *) printf 'error %s as asked for\n' "$1" ;;
        esac
        ;;
    leak)
        kept=$kept$(head -c "$(number bytes)" /dev/zero | tr '\0' x)
        printf 'ok %s %s\n' "$1" ${#kept}
        ;;
    crash) kill -ABRT $$ ;;
    *) printf 'client_error %s unknown command %s\n' "$1" "$2" ;;
    esac
}

while read -r word id command args; do
    case $word in
    init) echo ready ;;
    request) serve "$id" "$command" ;;
    ping) echo "pong $id" ;;
    shutdown) exit 0 ;;
    esac # a cancel needs no answer
done

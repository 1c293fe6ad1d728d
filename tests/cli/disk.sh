# A results folder that cannot be written, or a full disk: exit 4, one line, no half folder.
. "$SRC/tests/cli/lib.sh"
tiny >tiny.json
echo "in the way" >results
run 4 "$PB" run tiny.json
[ "$(wc -l <err)" -le 3 ]
has err results
rm results
if [ "$(id -u)" = 0 ] && mkdir full && mount -t tmpfs -o size=16k tmpfs full 2>/dev/null; then
    code=0
    "$PB" run tiny.json --results full/results >out 2>err || code=$?
    left=$(ls -A full/results 2>/dev/null)
    umount full
    [ $code = 4 ] || { echo "exit code $code on a full disk"; cat out err; exit 1; }
    [ -z "$left" ] || { echo "left behind: $left"; exit 1; }
fi

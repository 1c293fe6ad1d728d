# make install into a folder of its own: the program works from there and finds its drivers, the example of
# docs/library.md links through pkg-config as C and as C++, and make uninstall takes everything away.
. "$SRC/tests/cli/lib.sh"

command -v pkg-config >/dev/null 2>&1 || { echo "no pkg-config here"; exit 77; }
root=$PWD/root prefix=/opt/pb
into() { make -s -C "$SRC" "$@" DESTDIR="$root" PREFIX=$prefix >log 2>&1 || { cat log; exit 1; }; }
into install
has log "installed poolbench"
lib=$root$prefix/lib

# The program, with the drivers beside its library.
installed=$root$prefix/bin/poolbench
run 0 "$installed" -h
run 2 "$installed" run --rate 1 --duration 1s --set pool.driver=nosuch
cp err names
for driver in "$(dirname "$PB")"/drivers/*.so; do
    [ -e "$driver" ] || continue
    name=$(basename "$driver" .so)
    has names "$name"
    run 0 "$installed" validate "$root$prefix/share/doc/poolbench/scenarios/steady.json" --set pool.driver="$name"
    has out "the pool of driver $name ("
done

# The shared library exports what the headers declare, all of it and nothing else.
nm -D --defined-only "$lib/libpoolbench.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort >exported
"$SRC/tools/public-functions" >declared
holds "$(wc -l <declared) > 20" "functions declared"
diff declared exported || { echo "declared (<) and exported (>) differ"; exit 1; }

# pkg-config knows it.
PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
[ "$(pkg-config --modversion poolbench)" = "$("$PB" -h | sed -n '1s/^poolbench \([^ ]*\).*/\1/p')" ]
flags=$(pkg-config --cflags --libs poolbench)
static=$(pkg-config --cflags --libs --static poolbench)
example=$root$prefix/share/doc/poolbench/examples/link.c
strict="-Wall -Wextra -Werror"

linked() { # PROGRAM : it runs, with the installed library, and computes.
    run 0 env LD_LIBRARY_PATH="$lib" "./$1"
    [ "$(cat out)" = "9 16 25" ] || { echo "$1 printed:"; cat out; exit 1; }
}
# shellcheck disable=SC2086
{
    ${CC:-cc} -std=c11 $strict -o as-c "$example" $flags
    linked as-c
    # The archive, with what it needs itself.
    ${CC:-cc} -std=c11 $strict -o as-static "$example" -Wl,-Bstatic ${static%%-lcjson*} -Wl,-Bdynamic \
        -lcjson -lz -lm -ldl -pthread
    linked as-static
    ! readelf -d as-static | grep -q libpoolbench || { echo "not linked statically"; exit 1; }
    readelf -d as-c | grep -q 'libpoolbench.so.0' || { echo "not linked by its soname"; exit 1; }
    if command -v "${CXX:-g++}" >/dev/null 2>&1; then
        "${CXX:-g++}" -std=c++11 -Wall -Werror -x c++ -o as-cpp "$example" -x none $flags
        linked as-cpp
        # A driver in C++.
        "${CXX:-g++}" -std=c++11 -Wall -Werror -fsyntax-only -x c++ - $flags <<'END'
#include <poolbench/pool_driver.h>
#include <poolbench/worker.h>
#include <poolbench/workload.h>
static bool open_it(const pb_driver_config *, void **, char *, size_t) { return true; }
static pb_driver_answer submit(void *, pb_driver_task *task) { task->run(task, PB_DRIVER_NO_SLOT); return PB_DRIVER_OK; }
static void close_it(void *) {}
extern const pb_pool_driver poolbench_pool_driver = { PB_POOL_DRIVER_VERSION, "cpp", "in C++", 0, 0, open_it, submit, nullptr, close_it };
END
    fi
    # The worked example of docs/pool-driver.md, by the commands that it shows.
    ${CC:-cc} -O2 $strict -shared -fPIC -pthread $(pkg-config --cflags poolbench) -o mypool.so \
        "$root$prefix/share/doc/poolbench/examples/mypool.c"
}
tiny >tiny.json
one_of "0 3" "$installed" run tiny.json --set pool.driver=./mypool.so --quiet --no-charts --json
[ "$(number out pool.driver.name)" = mypool ]

into uninstall
left=$(find "$root" ! -type d)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }

# Two processes on one output, a stop in every stage, other locales and time zones: always the same bytes, or a refusal that leaves the other one alone.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
badinput_whole
tiny_fingerprint whole >whole.sums
same() { tiny_fingerprint "$1" | diff -q - whole.sums >/dev/null && echo "$2: the same bytes" || echo "$2: OTHER BYTES"; }
echo "== SIGTERM in every stage"
for stage in corpus dedup tokenizer shards train eval; do
    rm -rf stopped
    mkdir stopped
    cp -r whole/input whole/recipe.yaml stopped
    quern run stopped/recipe.yaml -q -j 1 >log 2>&1 &
    run=$!
    for _ in $(seq 2000); do [ -d stopped/run/$stage ] && break; sleep 0.003; done
    kill -TERM $run
    wait $run
    code=$?
    case $code in 0|75) ;; *) echo "exit $code"; cat log ;; esac # 0: it was through before the signal came
    [ $code -eq 0 ] || grep -aq 'run again to go on' log || cat log
    quern run stopped/recipe.yaml -q >log 2>&1 || cat log
    same stopped $stage
done
echo "== locales and time zones"
for locale in C tr_TR.UTF-8; do
    rm -rf other
    mkdir other
    cp -r whole/input whole/recipe.yaml other
    LC_ALL=$locale LANG=$locale TZ=Pacific/Apia quern run other/recipe.yaml -q >log 2>&1 || cat log
    same other $locale
done
echo "== two at once on one output"
twice() { # NAME RESULT COMMAND...
    local name=$1 result=$2 first second a b
    shift 2
    rm -rf two
    "$@" -o two -q >log1 2>&1 & first=$!
    "$@" -o two -q >log2 2>&1 & second=$!
    wait $first
    a=$?
    wait $second
    b=$?
    # Either may be refused, or find all done; both cannot be, for one of them holds the lock.
    case "$a $b" in
        '0 0'|'0 4'|'4 0') ;;
        *) echo "$name: exits $a and $b"; cat log1 log2 ;;
    esac
    for log in log1 log2; do grep -a '^quern' $log | grep -av 'already built\|another process\|is being written' ; done
    "$@" -o two -q >log 2>&1 || cat log
    find two -name '*.partial'
    diff -rq -x provenance.json -x journal -x metrics.jsonl -x experts.jsonl -x tensorboard -x work two "$result" && echo "$name: the same bytes"
}
twice corpus "$C" quern-corpus build --recipe $R
twice dedup "$D" quern-dedup build "$C" --recipe $R
twice tokenizer "$T" quern-tokenizer train "$D" --recipe $R
twice shards "$S" quern-shards build "$D" -t "$T" --recipe $R
twice train "$M" quern-train run --recipe $R --shards "$S" -t "$T"
twice eval "$E" quern-eval run --recipe $R --model "$M" --shards "$S" -t "$T"
rm -rf two
tiny_setup two
quern run two/recipe.yaml -q >log1 2>&1 & first=$!
quern run two/recipe.yaml -q >log2 2>&1 & second=$!
wait $first; a=$?
wait $second; b=$?
case "$a $b" in '0 0'|'0 4'|'4 0') ;; *) echo "runs: exits $a and $b"; cat log1 log2 ;; esac
quern run two/recipe.yaml -q >log 2>&1 || cat log
same two "two runs"

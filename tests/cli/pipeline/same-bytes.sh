# The whole pipeline on a tiny input, with one thread and with two, in two places: the same bytes. A second run has nothing to do.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
for threads in 1 2; do
    tiny_setup "j$threads"
    quern run "j$threads/recipe.yaml" -j "$threads" -q >"j$threads/out" 2>"j$threads/err" || { echo "run with $threads threads failed"; tail -n 20 "j$threads/err"; }
    tiny_fingerprint "j$threads" >"j$threads/fingerprint"
done
cmp j1/fingerprint j2/fingerprint && echo "one and two threads: the same bytes"
[ "$(grep -c manifest.json j1/fingerprint)" -ge 6 ] && echo "every stage has its manifest"
quern run j1/recipe.yaml 2>&1 | grep -c 'nothing to do'
quern verify j1/recipe.yaml >verify.out 2>&1 && echo "verified"
printf 'x' | dd of="$(ls j1/run/shards/*/part-00000.train.zst | head -n 1)" bs=1 seek=200 conv=notrunc status=none
quern verify j1/recipe.yaml >verify.out 2>&1 || echo "a changed byte is found: exit $?"

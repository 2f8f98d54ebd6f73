# Runs are compared by the hashes of their states; a checkpoint by that of what was in memory, and by its run's journal.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
recipe="--recipe recipe.yaml"
quern-corpus build $recipe -o corpus -q >out 2>&1 && quern-tokenizer train corpus $recipe -o tokenizer -q >out 2>&1 &&
    quern-shards build corpus -t tokenizer $recipe -o shards -q >out 2>&1 || cat out
train() { # FOLDER OPTIONS
    folder=$1
    shift
    quern-train run $recipe --shards shards -t tokenizer -o "$folder" -q --set train.tokens=20K "$@" >"$folder.out" 2>&1 || cat "$folder.out"
}
verify() { quern-train verify "$@" 2>&1 | sed -E 's/[0-9a-f]{32}/HASH/g'; echo "exit ${PIPESTATUS[0]}"; }
train one -j 1 --set train.hash_every=5
train two -j 2 --set train.hash_every=10
train other --set train.hash_every=1 --set train.balance.until=8K
verify one --against two
verify one two --against one
verify other --against one
train none
rm none/journal
verify none --against one
verify one/checkpoints/step-00000040
# Whole, but of another run; and with tensors that were not in memory.
cp -r other/checkpoints/step-00000040 one/checkpoints/step-00000041
verify one/checkpoints/step-00000041

# Runs are compared by the hashes of their states; a checkpoint by that of what was in memory, and by its run's journal.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.tokens=20K
verify() { quern-train verify "$@" 2>&1 | sed -E 's/[0-9a-f]{32}/HASH/g'; echo "exit ${PIPESTATUS[0]}"; }
tiny_train one -j 1 --set train.hash_every=5
tiny_train two -j 2 --set train.hash_every=10
tiny_train other --set train.hash_every=1 --set train.balance.until=8K
verify one --against two
verify one two --against one
verify other --against one
tiny_train none
rm none/journal
verify none --against one
verify one/checkpoints/step-00000040
# Whole, but of another run; and with tensors that were not in memory.
cp -r other/checkpoints/step-00000040 one/checkpoints/step-00000041
verify one/checkpoints/step-00000041

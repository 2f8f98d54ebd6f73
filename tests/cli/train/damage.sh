# `latest` gone, a bit of the newest checkpoint flipped: the run says in which tensor and which checkpoint is whole; set back as it says, it ends with the bytes of the run that was left alone.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.checkpoint.every=10 --set train.rate.segments=[]
refused() { tiny_train_run damaged --set train.tokens=8K; tiny_train_said damaged; }
tiny_train whole --set train.tokens=8K
tiny_train damaged --set train.tokens=4K
latest=$(cat damaged/latest)
echo "$latest"
# What names it or tells of it gone: nothing begins anew by itself, and the way on is told.
rm damaged/latest
refused
echo step-00000030 >damaged/latest
refused
echo "$latest" >damaged/latest
mv "damaged/checkpoints/$latest/trainer.json" kept.json
refused
mv kept.json "damaged/checkpoints/$latest/trainer.json"
model=damaged/checkpoints/$latest/$weights
printf '\1' | dd of="$model" bs=1 seek=$(($(stat -c %s "$model") - 9)) conv=notrunc 2>out
quern-train verify "damaged/checkpoints/$latest" 2>&1 | sed 's/^.*quern-train verify: //'
refused
sed -n "s/.*; '\(step-[0-9]*\)' before it is whole: write that name.*/\1/p" damaged.out | tr -d '\n' >damaged/latest
cat damaged/latest; echo
# A byte of the journal changed: nothing goes on over it, and without it all does.
sed -i '2s/step/pets/' damaged/journal
refused
mv damaged/journal moved
tiny_train damaged --set train.tokens=8K
tiny_same_weights whole damaged && echo "the same bytes"
# A finished model of which a byte has changed is made again from the last checkpoint, without training.
cp whole/manifest.json kept.json
printf '\1' | dd of=whole/$weights bs=1 seek=5000 conv=notrunc 2>out
quern-eval generate --model whole --prompt x 2>&1 | sed -E 's/.*generate: //; s/is [0-9a-f]{32}/is HASH/; s/says [0-9a-f]{32}/says HASH/'
rm whole/manifest.json
tiny_train whole --set train.tokens=8K
cmp kept.json whole/manifest.json && tiny_same_weights whole damaged && echo "made again: the same bytes"
# What is no checkpoint, and what is no training.
{ quern-train verify whole || quern-train verify whole --against nothing; } 2>&1 | sed 's/^.*quern-train verify: //'

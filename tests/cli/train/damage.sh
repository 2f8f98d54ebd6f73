# `latest` gone, a bit of the newest checkpoint flipped: the run says in which tensor and which checkpoint is whole; set back as it says, it ends with the bytes of the run that was left alone.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
quern-corpus build --recipe recipe.yaml -o corpus -q >out 2>&1 && quern-tokenizer train corpus --recipe recipe.yaml -o tokenizer -q >out 2>&1 &&
    quern-shards build corpus -t tokenizer --recipe recipe.yaml -o shards -q >out 2>&1 || cat out
train() { # FOLDER OPTIONS
    local folder=$1
    shift
    quern-train run --recipe recipe.yaml --shards shards -t tokenizer -o "$folder" --set train.checkpoint.every=10 --set train.rate.segments=[] -q "$@" 2>&1 | sed 's/^.*quern-train run: //; /^train: /d'
}
train whole --set train.tokens=8K
train damaged --set train.tokens=4K
latest=$(cat damaged/latest)
echo "$latest"
# What names it or tells of it gone: nothing begins anew by itself, and the way on is told.
rm damaged/latest
train damaged --set train.tokens=8K
echo step-00000030 >damaged/latest
train damaged --set train.tokens=8K
echo "$latest" >damaged/latest
mv "damaged/checkpoints/$latest/trainer.json" kept.json
train damaged --set train.tokens=8K
mv kept.json "damaged/checkpoints/$latest/trainer.json"
model=damaged/checkpoints/$latest/model-00001-of-00001.safetensors
printf '\1' | dd of="$model" bs=1 seek=$(($(stat -c %s "$model") - 9)) conv=notrunc 2>out
quern-train verify "damaged/checkpoints/$latest" 2>&1 | sed 's/^.*quern-train verify: //'
said=$(train damaged --set train.tokens=8K)
echo "$said"
sed -n "s/.*; '\(step-[0-9]*\)' before it is whole: write that name.*/\1/p" <<<"$said" | tr -d '\n' >damaged/latest
cat damaged/latest; echo
# A byte of the journal changed: nothing goes on over it, and without it all does.
sed -i '2s/step/pets/' damaged/journal
train damaged --set train.tokens=8K
mv damaged/journal moved
train damaged --set train.tokens=8K
cmp whole/model-00001-of-00001.safetensors damaged/model-00001-of-00001.safetensors && echo "the same bytes"

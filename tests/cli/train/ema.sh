# The moving average of the parameters: in checkpoints, through kills and other numbers of threads to the bit, exported, and as a run's result; begun and ended under way.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
said() { "$@" 2>&1 | sed -E "s/^[0-9]+:[0-9]+:[0-9]+ //"; }
tiny_setup .
recipe="--recipe recipe.yaml"
quern-corpus build $recipe -o corpus -q >out 2>&1 && quern-tokenizer train corpus $recipe -o tokenizer -q >out 2>&1 &&
    quern-shards build corpus -t tokenizer $recipe -o shards -q >out 2>&1 || cat out
train() { # FOLDER OPTIONS
    folder=$1
    shift
    quern-train run $recipe --shards shards -t tokenizer -o "$folder" -q "$@" >"$folder.out" 2>&1 || { code=$?; sed 's/.*quern-train run: //' "$folder.out"; echo "exit $code"; }
}
model=model-00001-of-00001.safetensors
average="--set train.ema.decay=0.9"
train plain -j 1
train whole $average -j 1
cmp plain/$model whole/$model && echo "the parameters are those of a run without"
checkpoint=whole/checkpoints/$(cat whole/latest)
ls "$checkpoint" | grep -c '^ema-00001-of-00001.safetensors$'
quern-train verify "$checkpoint" | sed -E 's/[0-9a-f]{32}/HASH/g; s/.*whole; //'
quern-train inspect "$checkpoint" | grep -E '^(model|optimizer|ema):'

echo "== to the bit"
quern-train run $recipe --shards shards -t tokenizer -o killed -q $average --set train.checkpoint.every=7 -j 2 >killed.out 2>&1 &
until [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -ge 30 ]; do kill -0 $! 2>/dev/null || break; done
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
train killed $average -j 2
cmp "$checkpoint/ema-00001-of-00001.safetensors" "killed/checkpoints/$(cat killed/latest)/ema-00001-of-00001.safetensors" && cmp whole/$model killed/$model && echo "killed: the same bytes"

echo "== a folder for others, and the run's result"
said quern-train export "$checkpoint" --ema -o exported -q
cmp -s exported/$model whole/$model || echo "the average is not the parameters"
train result $average --set train.ema.result=true -j 2
cmp exported/$model result/$model && cmp exported/config.json result/config.json && echo "the result: the same bytes"
cmp "$checkpoint/$model" "result/checkpoints/$(cat result/latest)/$model" && echo "beside it the parameters in the last checkpoint"
said quern-train export "plain/checkpoints/$(cat plain/latest)" --ema -o none
ls -d none 2>&1

echo "== under way"
constant="--set train.rate.segments=[]"
train late $constant --set train.tokens=20K
train late $constant $average --set train.tokens=30K
quern-train inspect "late/checkpoints/$(cat late/latest)" | grep -c '^ema:'
grep -o '"ema":{"decay":[^,}]*' late/journal
train late $constant
quern-train inspect "late/checkpoints/$(cat late/latest)" | grep -c '^ema:'
train steady $constant
cmp late/$model steady/$model && echo "the parameters know nothing of it"

echo "== refused"
train refused --set train.ema.result=true
train refused --set train.ema.decay=1
printf '\1' | dd of="$checkpoint/ema-00001-of-00001.safetensors" bs=1 seek=20000 conv=notrunc 2>out
said quern-train export "$checkpoint" --ema -o x
rm "$checkpoint/ema-00001-of-00001.safetensors"
said quern-train verify "$checkpoint"
true

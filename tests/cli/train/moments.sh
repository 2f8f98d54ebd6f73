# Moments in BF16: half of the memory and of the files, the same bits after a kill and for any number of threads, another run than one with FP32.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
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
bf16="--set train.optimizer.moments=bf16"
for type in fp32 bf16; do quern-train plan $recipe --set train.optimizer.moments=$type --json | grep -o '"moments":[0-9]*'; done | sed 's/.*://' | paste -s -d ' ' | awk '{ print $1 / $2 }'
train fp32 -j 1
train whole $bf16 -j 1
for folder in fp32 whole; do quern-train inspect $folder/checkpoints/"$(cat $folder/latest)" --tensors | sed -n '/^optimizer/,$p' | grep -E '^optimizer|embed_tokens'; done
quern-train verify whole/checkpoints/* | sed -E 's/.*: whole; step ([0-9]+).*/step \1: whole/'
for folder in fp32 whole; do tail -n 1 $folder/metrics.jsonl | sed 's/.*"loss":\([0-9.]*\),.*"tokens".*/\1/; s/.*"loss":\([0-9.]*\),.*/\1/'; done | paste -s -d ' ' |
    awk '{ d = $1 - $2; if (d < 0) d = -d; print (d < 0.02 ? "the losses are near each other" : "losses " $0) }'

quern-train run $recipe --shards shards -t tokenizer -o killed -q $bf16 --set train.checkpoint.every=7 -j 2 >killed.out 2>&1 &
until [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -ge 30 ]; do kill -0 $! 2>/dev/null || break; done
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
train killed $bf16 -j 2
cmp whole/$model killed/$model && cmp whole/manifest.json killed/manifest.json && echo "killed: the same bytes"

echo "== refused"
train fp32 $bf16 --set train.tokens=60K
train refused $bf16 --set train.optimizer.beta2=0.999

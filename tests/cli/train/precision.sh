# train.precision: bf16: less memory for activations, a loss near FP32's, the same bits after a kill and for any number of threads, and a run that goes on in
# the other precision from FP32 checkpoints.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
recipe="--recipe recipe.yaml"
quern-corpus build $recipe -o corpus -q >out 2>&1 && quern-tokenizer train corpus $recipe -o tokenizer -q >out 2>&1 &&
    quern-shards build corpus -t tokenizer $recipe -o shards -q >out 2>&1 || cat out
slow="--set train.rate.peak=0.002" # by the recipe's rate a last digit decides where a run goes after fifty steps
train() { # FOLDER OPTIONS
    folder=$1
    shift
    quern-train run $recipe $slow --shards shards -t tokenizer -o "$folder" -q "$@" >"$folder.out" 2>&1 || { code=$?; sed 's/.*quern-train run: //' "$folder.out"; echo "exit $code"; }
}
same() { cmp whole/$model $1/$model && cmp whole/manifest.json $1/manifest.json && echo "$1: the same bytes"; }
near() { # both runs' last losses
    for folder in "$1" "$2"; do tail -n 1 $folder/metrics.jsonl | sed 's/.*"loss":\([0-9.]*\),.*/\1/'; done | paste -s -d ' ' |
        awk '{ d = $1 - $2; if (d < 0) d = -d; print (d < 0.02 ? "the losses are near each other" : "losses " $0) }'
}
model=model-00001-of-00001.safetensors
bf16="--set train.precision=bf16"
of() { quern-train plan $recipe --json $3 | grep -o "\"$1\":[0-9]*" | sed 's/.*://;q'; } # KIND of the plan
for kind in activations parameters gradients moments; do echo "$(of $kind - "$bf16") $(of $kind)" | awk -v kind=$kind '{ print kind, (kind == "activations" ? ($1 < 0.65 * $2 ? "fewer" : $0) : $1 / $2) }'; done
train fp32 -j 1
train whole $bf16 -j 1
cmp -s fp32/$model whole/$model || echo "another result than in FP32"
near fp32 whole
quern-train inspect whole/checkpoints/"$(cat whole/latest)" --tensors | grep -E 'embed_tokens' | head -n 1

quern-train run $recipe $slow --shards shards -t tokenizer -o killed -q $bf16 --set train.checkpoint.every=7 -j 2 >killed.out 2>&1 &
until [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -ge 30 ]; do kill -0 $! 2>/dev/null || break; done
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
train killed $bf16 -j 2 --set train.recompute=projections
same killed

constant="--set train.rate.segments=[]"
train other $constant --set train.tokens=20K $bf16
train other $constant --set train.tokens=40K
grep -o '"event":"resumed".*' other/journal | grep -o '"precision":"[a-z0-9]*"'
train long $constant --set train.tokens=40K
near long other
train refused --set train.precision=fp16

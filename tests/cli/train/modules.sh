# A run with MTP modules: interrupted, with and without recomputation, it ends with the same bytes; its losses are in the metrics, its tensors in the folder; evaluation and
# a run that goes on from it know what to do with them.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
recipe="--recipe recipe.yaml"
quern-corpus build $recipe -o corpus -q >out 2>&1 && quern-tokenizer train corpus $recipe -o tokenizer -q >out 2>&1 &&
    quern-shards build corpus -t tokenizer $recipe -o shards -q >out 2>&1 || cat out
modules="--set model.num_nextn_predict_layers=2 --set train.mtp.until=20K --set train.tokens=30K"
train() { # FOLDER OPTIONS
    folder=$1
    shift
    quern-train run $recipe --shards shards -t tokenizer -o "$folder" -q $modules "$@" >"$folder.out" 2>&1
}
same() { cmp "whole/$2" "$1/$2" && echo "$1: the same bytes"; }

train whole -j 1 || cat whole.out
train again -j 2 --set train.recompute=norms || cat again.out
same again model-00001-of-00001.safetensors
quern-train run $recipe --shards shards -t tokenizer -o killed -q $modules --set train.checkpoint.every=3 >out 2>&1 &
until [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -ge 8 ]; do kill -0 $! 2>/dev/null || break; done
kill -KILL $!
wait $! 2>/dev/null
train killed --set train.recompute=projections || cat killed.out
same killed model-00001-of-00001.safetensors
quern-train verify whole/checkpoints/* | sed 's/: whole.*/: whole/' | tail -n 1

echo "== metrics, schedule"
grep -c '"mtp_loss":' whole/metrics.jsonl
grep -o '"violation_by_layer":\[[^]]*\]' whole/metrics.jsonl | tail -n 1 | tr -cd , | wc -c
quern-train schedule $recipe $modules --json | grep -o '"lambda":[0-9.]*' | uniq

echo "== tensors"
grep -o '"num_nextn_predict_layers": *[0-9]*' whole/config.json | tr -d ' '
grep -o 'model.layers.3.[a-z_]*\(.norm\|.head\)\?.weight"' whole/model.safetensors.index.json | sort -u

echo "== who reads them"
quern-train export whole -o exported -q >/dev/null 2>&1; grep -c 'model.layers.2' exported/model.safetensors.index.json
quern-eval run $recipe --model whole --shards shards -t tokenizer -o evaluated -q >out 2>&1 || cat out
quern-train run $recipe --shards shards -t tokenizer -o plain -q --set train.tokens=4K --set train.from=whole >out 2>&1 && echo "a model without modules begins from one with them"
quern-train run $recipe --shards shards -t tokenizer -o more -q $modules --set train.from=plain 2>&1 | sed 's/.*quern-train run: //'
train short --set shards.sequence_tokens=32 --set model.num_nextn_predict_layers=32
echo "exit $?"; sed 's/.*quern-train run: //' short.out

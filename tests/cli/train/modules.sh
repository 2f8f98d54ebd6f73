# A run with MTP modules: interrupted, with and without recomputation, it ends with the same bytes; its losses are in the metrics, its tensors in the folder; evaluation and
# a run that goes on from it know what to do with them.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup
modules="--set model.num_nextn_predict_layers=2 --set train.mtp.until=20K --set train.tokens=30K"

tiny_train whole $modules -j 1
tiny_train again $modules -j 2 --set train.recompute=norms
tiny_same_result whole again && echo "again: the same bytes"
tiny_train_killed killed 8 $modules --set train.checkpoint.every=3
tiny_train killed $modules --set train.recompute=projections
tiny_same_result whole killed && echo "killed: the same bytes"
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
tiny_train plain --set train.tokens=4K --set train.from=whole && echo "a model without modules begins from one with them"
tiny_train_run more $modules --set train.from=plain
tiny_train_said more
tiny_train_run short $modules --set shards.sequence_tokens=32 --set model.num_nextn_predict_layers=32
echo "exit $?"; tiny_train_said short

# train.precision: bf16: less memory for activations, a loss near FP32's, the same bits after a kill and for any number of threads, and a run that goes on in
# the other precision from FP32 checkpoints.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.rate.peak=0.002 # by the recipe's rate a last digit decides where a run goes after fifty steps
bf16="--set train.precision=bf16"
of() { quern-train plan $recipe --json $3 | grep -o "\"$1\":[0-9]*" | sed 's/.*://;q'; } # KIND of the plan
for kind in activations parameters gradients moments; do echo "$(of $kind - "$bf16") $(of $kind)" | awk -v kind=$kind '{ print kind, (kind == "activations" ? ($1 < 0.65 * $2 ? "fewer" : $0) : $1 / $2) }'; done
[ $((2 * $(of weights - "$bf16"))) = "$(of parameters)" ] && [ "$(of weights)" = 0 ] && echo "their copy half of that"
tiny_train fp32 -j 1
tiny_train whole $bf16 -j 1
tiny_same_weights fp32 whole >/dev/null || echo "another result than in FP32"
tiny_near fp32 whole
quern-train inspect whole/checkpoints/"$(cat whole/latest)" --tensors | grep -E 'embed_tokens' | head -n 1

tiny_train_killed killed 30 $bf16 --set train.checkpoint.every=7 -j 2
tiny_train killed $bf16 -j 2 --set train.recompute=projections
tiny_same_result whole killed && echo "killed: the same bytes"

constant="--set train.rate.segments=[]"
tiny_train other $constant --set train.tokens=20K $bf16
tiny_train other $constant --set train.tokens=40K
grep -o '"event":"resumed".*' other/journal | grep -o '"precision":"[a-z0-9]*"'
tiny_train long $constant --set train.tokens=40K
tiny_near long other
tiny_train refused --set train.precision=fp16

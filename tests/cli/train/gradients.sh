# train.gradients: bf16: half of their memory, a loss near that with gradients in FP32, the same bits after a kill and for any number of threads, a run that goes on with the other, and what it wants.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.rate.peak=0.002 --set train.precision=bf16 # as in precision.sh: by the recipe's rate chance would be compared
bf16="--set train.gradients=bf16"
of() { quern-train plan $recipe --json $2 | grep -o "\"$1\":[0-9]*" | sed 's/.*://;q'; } # KIND of the plan
for kind in gradients weights parameters moments activations; do echo "$kind $(of $kind) $(of $kind "$bf16")" | awk '{ print $1, $2 / $3 }'; done
tiny_train fp32 -j 1
tiny_train whole $bf16 -j 1
tiny_same_weights fp32 whole >/dev/null || echo "another result than with FP32"
tiny_near fp32 whole

tiny_train_killed killed 30 $bf16 --set train.checkpoint.every=7 -j 2
tiny_train killed $bf16 -j 2
tiny_same_result whole killed && echo "killed: the same bytes"

constant="--set train.rate.segments=[]"
tiny_train other $constant --set train.tokens=20K $bf16
tiny_train other $constant --set train.tokens=40K
grep -o '"event":"resumed".*' other/journal | grep -o '"gradients":"[a-z0-9]*"'

echo "== refused"
tiny_train refused $bf16 --set train.precision=fp32
quern-train bench --model nano --gradients bf16 2>&1 || echo "exit $?"

# Moments in BF16: half of the memory and of the files, the same bits after a kill and for any number of threads, another run than one with FP32.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.rate.peak=0.002 # as in precision.sh: its own rate would compare chance
bf16="--set train.optimizer.moments=bf16"
for type in fp32 bf16; do quern-train plan $recipe --set train.optimizer.moments=$type --json | grep -o '"moments":[0-9]*'; done | sed 's/.*://' | paste -s -d ' ' | awk '{ print $1 / $2 }'
tiny_train fp32 -j 1
tiny_train whole $bf16 -j 1
for folder in fp32 whole; do quern-train inspect $folder/checkpoints/"$(cat $folder/latest)" --tensors | sed -n '/^optimizer/,$p' | grep -E '^optimizer|embed_tokens'; done
quern-train verify whole/checkpoints/* | sed -E 's/.*: whole; step ([0-9]+).*/step \1: whole/'
tiny_near fp32 whole

tiny_train_killed killed 30 $bf16 --set train.checkpoint.every=7 -j 2
tiny_train killed $bf16 -j 2
tiny_same_result whole killed && echo "killed: the same bytes"

echo "== refused"
tiny_train fp32 $bf16 --set train.tokens=60K
tiny_train refused $bf16 --set train.optimizer.beta2=0.999

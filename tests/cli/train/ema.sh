# The moving average of the parameters: in checkpoints, through kills and other numbers of threads to the bit, exported, and as a run's result; begun and ended under way.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
said() { "$@" 2>&1 | sed -E "s/^[0-9]+:[0-9]+:[0-9]+ //"; }
tiny_train_setup
average="--set train.ema.decay=0.9"
tiny_train plain -j 1
tiny_train whole $average -j 1
tiny_same_weights plain whole && echo "the parameters are those of a run without"
checkpoint=whole/checkpoints/$(cat whole/latest)
ls "$checkpoint" | grep -c '^ema-00001-of-00001.safetensors$'
quern-train verify "$checkpoint" | sed -E 's/[0-9a-f]{32}/HASH/g; s/.*whole; //'
quern-train inspect "$checkpoint" | grep -E '^(model|optimizer|ema):'

echo "== to the bit"
tiny_train_killed killed 30 $average --set train.checkpoint.every=7 -j 2
tiny_train killed $average -j 2
cmp "$checkpoint/ema-00001-of-00001.safetensors" "killed/checkpoints/$(cat killed/latest)/ema-00001-of-00001.safetensors" && tiny_same_weights whole killed && echo "killed: the same bytes"

echo "== a folder for others, and the run's result"
said quern-train export "$checkpoint" --ema -o exported -q
tiny_same_weights exported whole >/dev/null || echo "the average is not the parameters"
tiny_train result $average --set train.ema.result=true -j 2
tiny_same_weights exported result && cmp exported/config.json result/config.json && echo "the result: the same bytes"
tiny_same_weights "$checkpoint" "result/checkpoints/$(cat result/latest)" && echo "beside it the parameters in the last checkpoint"
said quern-train export "plain/checkpoints/$(cat plain/latest)" --ema -o none
ls -d none 2>&1

echo "== under way"
constant="--set train.rate.segments=[]"
tiny_train late $constant --set train.tokens=20K
tiny_train late $constant $average --set train.tokens=30K
quern-train inspect "late/checkpoints/$(cat late/latest)" | grep -c '^ema:'
grep -o '"ema":{"decay":[^,}]*' late/journal
tiny_train late $constant
quern-train inspect "late/checkpoints/$(cat late/latest)" | grep -c '^ema:'
tiny_train steady $constant
tiny_same_weights late steady && echo "the parameters know nothing of it"

echo "== refused"
tiny_train refused --set train.ema.result=true
tiny_train refused --set train.ema.decay=1
printf '\1' | dd of="$checkpoint/ema-00001-of-00001.safetensors" bs=1 seek=20000 conv=notrunc 2>out
said quern-train export "$checkpoint" --ema -o x
rm "$checkpoint/ema-00001-of-00001.safetensors"
said quern-train verify "$checkpoint"
true

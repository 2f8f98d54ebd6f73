# A run that is stopped, killed, gone on with by another number of threads, or made longer, ends with the bytes of one that was left alone.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
recipe="--recipe recipe.yaml"
quern-corpus build $recipe -o corpus -q >out 2>&1 && quern-tokenizer train corpus $recipe -o tokenizer -q >out 2>&1 &&
    quern-shards build corpus -t tokenizer $recipe -o shards -q >out 2>&1 || cat out
train() { # FOLDER OPTIONS
    folder=$1
    shift
    quern-train run $recipe --shards shards -t tokenizer -o "$folder" -q "$@" >"$folder.out" 2>&1
}
same() { cmp whole/model-00001-of-00001.safetensors "$1/model-00001-of-00001.safetensors" && cmp whole/manifest.json "$1/manifest.json" && echo "$1: the same bytes"; }

train whole -j 1 || cat whole.out
train two-threads -j 2
same two-threads

# What the plan says of a checkpoint is what it takes, to a quarter more.
planned=$(quern-train plan $recipe --json | sed 's/.*"checkpoint":\([0-9]*\).*/\1/')
taken=$(du -sk --apparent-size whole/checkpoints/step-00000080 | cut -f 1)
[ $((planned / 1024)) -ge "$taken" ] && [ $((planned / 1024)) -le $((taken * 5 / 4)) ] || echo "planned $planned bytes for a checkpoint, taken $taken KiB"

# Interrupted by a signal as soon as some steps are taken, then again at later ones, then left to end.
interrupted() { # FOLDER SIGNAL OPTIONS
    folder=$1
    signal=$2
    shift 2
    for steps in 4 12 30; do
        quern-train run $recipe --shards shards -t tokenizer -o "$folder" -q -j $((steps % 4 / 2 + 1)) "$@" >"$folder.out" 2>&1 &
        pid=$!
        until [ "$(cat "$folder/metrics.jsonl" 2>/dev/null | wc -l)" -ge $steps ]; do kill -0 $pid 2>/dev/null || break; done
        kill -"$signal" $pid 2>/dev/null
        wait $pid 2>/dev/null
        code=$?
        [ $steps -gt 4 ] || echo "first $signal: exit $code"
    done
    train "$folder" "$@" || cat "$folder.out"
    same "$folder"
}
interrupted stopped TERM
interrupted killed KILL --set train.checkpoint.every=3

# A shorter run made longer: the same folder goes on. (A constant rate: a cosine would have taken another course.)
constant="--set train.rate.segments=[]"
train short $constant --set train.tokens=20K
train short $constant --set train.tokens=40K
train long $constant --set train.tokens=40K
cmp short/model-00001-of-00001.safetensors long/model-00001-of-00001.safetensors && echo "made longer: the same bytes"
# Further than the disk can hold: refused, and the finished result is one as before.
train short $constant --set train.tokens=100T
echo "exit $?"; grep -o 'the run needs .* is free' short.out | sed -E 's/[0-9.]+ [kMGTPE]?B/N B/g'
mv short/checkpoints kept
train short $constant --set train.tokens=80K
echo "exit $?"; sed 's/.*quern-train run: //' short.out
mv kept short/checkpoints
ls short/manifest.json short/part-00000.json
train short $constant --set train.tokens=40K && sed 's/.*quern-train: //' short.out

# Another schedule cannot act on what is done: refused where nothing is left to train, taken from here on where something is. A batch that grows on the way
# takes fewer steps than are behind already.
train long $constant --set train.rate.peak=0.001
echo "exit $?"; sed 's/.*quern-train run: //' long.out
train long $constant --set train.tokens=10K
echo "exit $?"; sed 's/.*quern-train run: //' long.out
train long $constant --set train.tokens=80K --set train.batch.sequences=400 && grep -o '"event":"resumed".*"sequences":400' long/journal | sed 's/,.*"sequences"/ "sequences"/'
train ends $constant --set inputs.0.epochs_max=0.1 --set inputs.1.epochs_max=0.1 --set inputs.2.epochs_max=0.1
echo "exit $?"; sed -E 's/.*quern-train run: //; s/epochs_max after [0-9]+/epochs_max after N/' ends.out

# Another run in its place starts anew and does not go on from the checkpoints that it finds.
train other --set train.optimizer.beta1=0.5
train short $constant --set train.optimizer.beta1=0.5
echo "exit $?"
train short --force --set train.optimizer.beta1=0.5 || cat short.out
cmp other/model-00001-of-00001.safetensors short/model-00001-of-00001.safetensors && cmp other/manifest.json short/manifest.json && echo "forced: the same bytes"

# A tokenizer that did not make the shards, shards that the model was not trained on.
quern-tokenizer train corpus $recipe --set tokenizer.vocab_size=600 -o tokenizer-600 -q >out 2>&1
quern-train run $recipe --shards shards -t tokenizer-600 -o mixed -q 2>&1 | sed 's/.*quern-train run: //'
quern-shards build corpus -t tokenizer $recipe --set shards.level=1 -o shards-1 -q >out 2>&1
quern-eval run $recipe --model whole --shards shards-1 -t tokenizer -o evaluated -q 2>&1 | sed 's/.*quern-eval run: //'
quern-eval run $recipe --model whole --shards shards -t tokenizer-600 -o evaluated -q 2>&1 | sed 's/.*quern-eval run: //'

# Another identity is refused, by the name of what differs.
train whole --set train.micro_batch=8
echo "exit $?"
grep -o "setting 'micro_batch' is.*here" whole.out
quern-train verify whole/checkpoints/* | sed 's/: whole.*/: whole/' | head -n 1

# A run that is stopped, killed, gone on with by another number of threads, or made longer, ends with the bytes of one that was left alone.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup
same() { tiny_same_result whole "$1" && echo "$1: the same bytes"; }

tiny_train whole -j 1
tiny_train two-threads -j 2
same two-threads

# What the plan says of a checkpoint is what it takes, to a quarter more.
planned=$(quern-train plan $recipe --json | sed 's/.*"checkpoint":\([0-9]*\).*/\1/')
taken=$(du -sk --apparent-size whole/checkpoints/step-00000080 | cut -f 1)
[ $((planned / 1024)) -ge "$taken" ] && [ $((planned / 1024)) -le $((taken * 5 / 4)) ] || echo "planned $planned bytes for a checkpoint, taken $taken KiB"

# Interrupted by a signal as soon as some steps are taken, then again at later ones, then left to end.
interrupted() { # FOLDER SIGNAL OPTIONS
    local codes=
    for steps in 4 12 30; do
        tiny_train_signalled "$2" "$1" $steps -j $((steps % 4 / 2 + 1)) "${@:3}"
        codes="$codes $?"
    done
    echo "$2: exit$codes"
    tiny_train "$1" "${@:3}"
    same "$1"
}
interrupted stopped TERM
interrupted killed KILL --set train.checkpoint.every=3

# A shorter run made longer: the same folder goes on. (A constant rate: a cosine would have taken another course.)
constant="--set train.rate.segments=[]"
answer() { tiny_train_run "$@"; echo "exit $?"; tiny_train_said "$1"; } # FOLDER OPTIONS
tiny_train short $constant --set train.tokens=20K
tiny_train short $constant --set train.tokens=40K
tiny_train long $constant --set train.tokens=40K
tiny_same_result short long && echo "made longer: the same bytes"
# A stop is heeded within a step too, which would take hours: nothing is kept of it.
tiny_train_signalled TERM hours 0 $constant --set 'train.batch={sequences: 10M}'
echo "exit $?"
tiny_train_said hours
tiny_train hours $constant --set train.tokens=40K && tiny_same_result hours long && echo "stopped within a step: the same bytes"
# Further than the disk can hold: refused, and the finished result is one as before.
answer short $constant --set train.tokens=100T | sed -E 's/.*(the run needs .* is free).*/\1/; s/[0-9.]+ [kMGTPE]?B/N B/g'
mv short/checkpoints kept
answer short $constant --set train.tokens=80K
mv kept short/checkpoints
ls short/manifest.json short/part-00000.json
tiny_train short $constant --set train.tokens=40K && cat short.out

# Another schedule cannot act on what is done: refused where nothing is left to train, taken from here on where something is. A batch that grows on the way
# takes fewer steps than are behind already.
answer long $constant --set train.rate.peak=0.001
answer long $constant --set train.tokens=10K
tiny_train long $constant --set train.tokens=80K --set train.batch.sequences=400 && grep -o '"event":"resumed".*"sequences":400' long/journal | sed 's/,.*"sequences"/ "sequences"/'
answer ends $constant --set inputs.0.epochs_max=0.1 --set inputs.1.epochs_max=0.1 --set inputs.2.epochs_max=0.1 | sed -E 's/epochs_max after [0-9]+/epochs_max after N/'

# Another run in its place starts anew and does not go on from the checkpoints that it finds.
tiny_train other --set train.optimizer.beta1=0.5
tiny_train_run short $constant --set train.optimizer.beta1=0.5
echo "exit $?"
tiny_train short --force --set train.optimizer.beta1=0.5
tiny_same_result other short && echo "forced: the same bytes"

# A tokenizer that did not make the shards, shards that the model was not trained on.
quern-tokenizer train corpus $recipe --set tokenizer.vocab_size=600 -o tokenizer-600 -q >out 2>&1
quern-train run $recipe --shards shards -t tokenizer-600 -o mixed -q 2>&1 | sed 's/.*quern-train run: //'
quern-shards build corpus -t tokenizer $recipe --set shards.level=1 -o shards-1 -q >out 2>&1
quern-eval run $recipe --model whole --shards shards-1 -t tokenizer -o evaluated -q 2>&1 | sed 's/.*quern-eval run: //'
quern-eval run $recipe --model whole --shards shards -t tokenizer-600 -o evaluated -q 2>&1 | sed 's/.*quern-eval run: //'

# Another identity is refused, by the name of what differs.
tiny_train_run whole --set train.micro_batch=8
echo "exit $?"
grep -o "setting 'micro_batch' is.*here" whole.out
quern-train verify whole/checkpoints/* | sed 's/: whole.*/: whole/' | head -n 1

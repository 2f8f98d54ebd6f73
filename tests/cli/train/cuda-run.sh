# Training on a GPU, an emulated one: near the CPU's losses, the same bits after kills while checkpoints are written, checkpoints that either side goes on with, and
# what its memory has no room for.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.rate.peak=0.002 --set train.tokens=2K --set train.batch.sequences=8 --set train.micro_batch=4 --set train.checkpoint.every=2 --set train.rate.segments=[]
mkdir bin && ln -s "$QUERN_BUILD/tests/quern-train-emulated" bin/quern-train
tiny_train cpu -j 1
on_gpu() { PATH="$PWD/bin:$PATH" "$@" --set train.backend=cuda; }
on_gpu tiny_train gpu
tiny_near cpu gpu
grep -o '"backend":"cuda"' gpu/journal | uniq

echo "== killed, by the training or beside it"
on_gpu tiny_train itself --set train.checkpoint.background=no
tiny_same_result gpu itself && echo "the same bytes"
# A checkpoint of this step or a later one is being written, by the run that began last.
writes() { # FOLDER STEP
    local partial
    for partial in "$1"/checkpoints/step-*.partial; do
        [ "$partial" -nt "$1.began" ] && partial=${partial##*/step-} && [ $((10#${partial%.partial})) -ge $2 ] && return 0
    done
    return 1
}
for step in 1 2 4; do # the first before there is any
    mkdir -p killed && touch killed.began
    on_gpu tiny_train_exec killed --set train.checkpoint.every=1 --set train.checkpoint.background=yes &
    pid=$!
    until writes killed $step || ! kill -0 $pid 2>/dev/null; do :; done
    { kill -KILL $pid && wait $pid; } 2>/dev/null || true
    [ -e killed/manifest.json ] && echo "it was not killed" && tiny_train_said killed
done
on_gpu tiny_train killed
tiny_same_result gpu killed && echo "the same bytes"

echo "== BF16"
on_gpu tiny_train narrow --set train.precision=bf16
tiny_near cpu narrow

echo "== from one to the other"
for first in cpu gpu; do
    cp -a $first "$first-longer"
done
on_gpu tiny_train cpu-longer --set train.tokens=3K
tiny_train gpu-longer --set train.tokens=3K -j 1
tiny_near cpu-longer gpu-longer

echo "== memory"
planned() { on_gpu quern-train plan $recipe "$@"; }
bytes=$(planned --json | grep -o '"gpu":{[^}]*}' | sed 's/.*"total":\([0-9]*\).*/\1/')
QUERN_EMULATED_MEMORY=$bytes on_gpu tiny_train fits
tiny_same_result gpu fits && echo "it fits"
planned | grep -A 1 'the GPU has' | sed -E 's/(free) .*/\1/'
planned --gpu-memory 200MB | grep -A 1 'the GPU has' | sed -E 's/(missing) .*/\1/'
QUERN_EMULATED_MEMORY=$((bytes - 1)) on_gpu tiny_train_run little || echo "exit $?, $(wc -l <little.out) line"
QUERN_EMULATED_MEMORY=200000000 on_gpu tiny_train little | sed -E 's/ [0-9.]+ [kMG]?B/ N B/g'

echo "== without a GPU"
code=0
tiny_train_run none --set train.backend=cuda || code=$?
case $code in
    0) echo "one line" ;; # there is one
    2) grep -q 'built without CUDA' none.out && [ "$(wc -l <none.out)" = 1 ] && echo "one line" ;;
    *) grep -q 'there is no GPU to train on' none.out && [ "$(wc -l <none.out)" = 1 ] && echo "one line" ;;
esac || cat none.out

# Training on a GPU, an emulated one: what bench/gpu/parity compares, with few steps of a tiny model, its text and shards made before; the same bytes after kills while checkpoints are written; and
# what its memory has no room for.
export QUERN_TRAIN=$QUERN_BUILD/tests/quern-train-emulated QUERN_STEPS=4 QUERN_LENGTH=32 QUERN_PREPARED=$PWD/prepared
mkdir prepared parity
(cd prepared && unset QUERN_PREPARED && "$QUERN_SOURCE/bench/gpu/parity" --prepare) && (cd parity && "$QUERN_SOURCE/bench/gpu/parity") || echo "exit $?"
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
recipe='--recipe recipe.yaml --set shards.sequence_tokens=32 --set train.rate.peak=0.002 --set train.rate.segments=[] --set train.tokens=1K --set train.batch.sequences=4 --set train.micro_batch=2 --set train.checkpoint.every=2'
cp -a prepared/* .
mkdir bin && ln -s "$QUERN_TRAIN" bin/quern-train
on_gpu() { PATH="$PWD/bin:$PATH" "$@" --set train.backend=cuda; }

echo "== killed, by the training or beside it"
on_gpu tiny_train gpu
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

echo "== memory"
planned() { on_gpu quern-train plan $recipe "$@"; }
bytes=$(planned --json | grep -o '"gpu":{[^}]*}' | sed 's/.*"total":\([0-9]*\).*/\1/')
QUERN_EMULATED_MEMORY=$bytes on_gpu tiny_train fits
tiny_same_result gpu fits && echo "it fits"
planned | grep -A 1 'the GPU has' | sed -E 's/(free) .*/\1/'
planned --gpu-memory 200MB | grep -A 1 'the GPU has' | sed -E 's/(missing) .*/\1/'
QUERN_EMULATED_MEMORY=$((bytes - 1)) on_gpu tiny_train_run little || echo "exit $?, $(wc -l <little.out) line"
QUERN_EMULATED_MEMORY=200000000 on_gpu tiny_train less --set train.batch.sequences=8 --set train.micro_batch=4 | sed -E 's/ [0-9.]+ [kMG]?B/ N B/g'

echo "== ways"
sed -n '/^model:/,/^train:/s/^  //p' recipe.yaml >tiny.yaml
ways() { QUERN_CUDA_WITHOUT=$1 "$QUERN_TRAIN" bench --backend cuda --precision bf16 --model ./tiny.yaml --batch 1 --sequence 8 --steps 2 --json 2>&1; }
ways graphs,wgmma; echo "exit $?"
ways '' | grep -oE '"graphs, [^,}]*|"left_out.*'
ways graphs,mma-attention | sed -E 's/^[^{]*( quern-)/\1/' | grep -oE 'QUERN_CUDA.*|"(graphs|attention)[a-z]*, [^,}]*|"left_out.*'
QUERN_CUDA_WITHOUT=graphs on_gpu tiny_train without
tiny_same_result gpu without && echo "the same bytes" && grep -o '"backend_without":"[^"]*"' without/journal
grep -c backend_without gpu/journal

echo "== in any order"
on_gpu tiny_train any --set train.tokens=512 --set train.deterministic=false
on_gpu tiny_train any
grep -oE '"(event|backend)":"(started|resumed|cuda[a-z-]*)"|"deterministic":[a-z]*' any/journal
grep -c deterministic gpu/journal
tiny_near gpu any
quern-train verify any --against gpu 2>&1 | sed 's/.*verify: //'
"$QUERN_TRAIN" bench --backend cuda-dnn --precision bf16 --model ./tiny.yaml --batch 1 --sequence 8 --steps 1 --no-deterministic --json | grep -o '"backend":"[^"]*"'
quern-train bench --model ./tiny.yaml --batch 1 --sequence 8 --steps 1 --no-deterministic --json | grep -o '"backend":"[a-z]*'

echo "== without a GPU"
code=0
tiny_train_run none --set train.backend=cuda || code=$?
case $code in
    0) echo "one line" ;; # there is one
    2) grep -q 'built without CUDA' none.out && [ "$(wc -l <none.out)" = 1 ] && echo "one line" ;;
    *) grep -q 'there is no GPU to train on' none.out && [ "$(wc -l <none.out)" = 1 ] && echo "one line" ;;
esac || cat none.out

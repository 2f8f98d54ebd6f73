# Training on a GPU, an emulated one: near the CPU's losses, the same bits after a kill, checkpoints that either side goes on with, and what is not for it yet.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.rate.peak=0.002 --set train.tokens=2K --set train.batch.sequences=8 --set train.micro_batch=4 --set train.checkpoint.every=2 --set train.rate.segments=[]
mkdir bin && ln -s "$QUERN_BUILD/tests/quern-train-emulated" bin/quern-train
tiny_train cpu -j 1
on_gpu() { PATH="$PWD/bin:$PATH" "$@" --set train.backend=cuda; }
on_gpu tiny_train gpu
tiny_near cpu gpu
grep -o '"backend":"cuda"' gpu/journal | uniq

echo "== killed"
on_gpu tiny_train_killed killed 4
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

echo "== not yet"
on_gpu tiny_train background --set train.checkpoint.background=yes

echo "== without a GPU"
code=0
tiny_train_run none --set train.backend=cuda || code=$?
case $code in
    0) echo "one line" ;; # there is one
    2) grep -q 'built without CUDA' none.out && [ "$(wc -l <none.out)" = 1 ] && echo "one line" ;;
    *) grep -q 'there is no GPU to train on' none.out && [ "$(wc -l <none.out)" = 1 ] && echo "one line" ;;
esac || cat none.out

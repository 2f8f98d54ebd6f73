# Training by MPI's processes, data parallel and with experts that they share: what one process comes to within rounding, the same bits after a kill, and
# checkpoints that any layout goes on from.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_mpi_setup
tiny_train_setup
ranks() { # COUNT FUNCTION FOLDER...: of tiny_train's, over so many ranks
    local launch= kind=self
    [ "$1" = 1 ] || { launch="timeout 300 mpirun -n $1"; kind=mpi; }
    "${@:2}" --ranks $kind -j 1
}
like_one() { # RANKS WHAT FOLDER
    paste <(tiny_losses one | head -n 20) <(tiny_losses "$3" | head -n 20) | awk -v what="$1 ranks$2" '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d; n++ }
        END { if (n == 20 && most < 2e-5) print what ": the losses of one within rounding"; else print what ": " n " losses, up to " most " apart" }'
    grep -o '"ranks":.*,"previous' "$3"/journal | sed 's/,"previous//' | sort -u
    [ "$(quern-train verify "$3"/checkpoints/* | grep -vc whole)" = 0 ] || quern-train verify "$3"/checkpoints/*
}
ranks 1 tiny_train one
for count in 2 3; do
    ranks $count tiny_train ranks$count
    like_one $count "" ranks$count
done
for layout in "2 2" "4 2" "8 8"; do
    set -- $layout
    ranks $1 tiny_train shared$1 --set train.expert_parallel=$2
    like_one $1 ", $2 share experts" shared$1
done
# experts.jsonl and the window are of all ranks: every token counts, in its source and for its experts.
tokens() { sed 's/.*"source_tokens":{\([^}]*\)}.*/\1/' "$1/experts.jsonl"; }
diff <(tokens one) <(tokens shared4) && echo "the map of the experts' load has the tokens of all ranks"

echo "== killed and gone on with"
ranks 2 tiny_train_killed killed 30 --set train.checkpoint.every=7
ranks 2 tiny_train killed
tiny_same_result ranks2 killed && echo "the same bytes"
ranks 4 tiny_train_killed shared 30 --set train.checkpoint.every=7 --set train.expert_parallel=2
ranks 4 tiny_train shared --set train.expert_parallel=2
tiny_same_result shared4 shared && echo "the same bytes, with experts shared"

echo "== another layout goes on"
constant="--set train.rate.segments=[]"
ranks 2 tiny_train mixed $constant --set train.tokens=20K
ranks 1 tiny_train mixed $constant --set train.tokens=30K
ranks 4 tiny_train mixed $constant --set train.tokens=35K --set train.expert_parallel=2
ranks 3 tiny_train mixed $constant
grep -o '"step":[0-9]*,"samples":[0-9]*,"tokens":[0-9]*' mixed/metrics.jsonl | tail -n 1

echo "== refused"
tiny_train_run x --ranks nccl; code=$?
cat x.out; echo "exit $code"
ranks 2 tiny_train_run mixed --set seed=3; code=$?
grep -c 'rank 0: ' mixed.out | sed 's/[1-9].*/told with the rank/'; [ $code != 0 ] && echo refused
ranks 3 tiny_train_run uneven --set train.expert_parallel=2; grep -o "'train.expert_parallel'.*" uneven.out | sort -u
ranks 3 tiny_train_run uneven --set train.expert_parallel=3; grep -o '3 ranks cannot.*' uneven.out | sort -u
ranks 1 tiny_train_run uneven --set train.expert_parallel=2; cat uneven.out
# A rank that fails alone, where the others do not look: nobody waits for ever.
options="run $recipe -t tokenizer -o alone --ranks mpi -q -j 1"
timeout 60 mpirun -n 1 quern-train $options --shards shards : -n 1 quern-train $options --shards nowhere >alone.out 2>&1
code=$?
[ $code != 124 ] && [ $code != 0 ] && grep -c "nowhere" alone.out | sed 's/[1-9].*/a rank that fails alone ends all/'
true

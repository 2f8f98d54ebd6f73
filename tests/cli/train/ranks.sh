# Training by MPI's processes, data parallel and with experts that they share: what one process comes to within rounding, the same bits after a kill, and
# checkpoints that any layout goes on from.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
[ -x "$QUERN_BUILD/tests/comm_processes" ] && command -v mpirun >/dev/null || { echo "SKIP: no mpirun"; exit 0; }
"$QUERN_BUILD/tests/comm_processes" | grep -q 'no MPI' && { echo "SKIP: this build has no MPI"; exit 0; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
tiny_setup .
recipe="--recipe recipe.yaml"
quern-corpus build $recipe -o corpus -q >out 2>&1 && quern-tokenizer train corpus $recipe -o tokenizer -q >out 2>&1 &&
    quern-shards build corpus -t tokenizer $recipe -o shards -q >out 2>&1 || cat out
train() { # RANKS FOLDER OPTIONS
    ranks=$1
    folder=$2
    shift 2
    launch=
    kind=self
    [ "$ranks" = 1 ] || { launch="timeout 120 mpirun -n $ranks"; kind=mpi; }
    $launch quern-train run $recipe --shards shards -t tokenizer -o "$folder" --ranks $kind -q -j 1 "$@" >"$folder.out" 2>&1
}
losses() { # FOLDER: of the first twenty steps
    head -n 20 "$1/metrics.jsonl" | sed 's/.*"loss":\([0-9.]*\),.*"tokens".*/\1/; s/.*"loss":\([0-9.]*\),.*/\1/'
}
like_one() { # RANKS WHAT FOLDER
    paste <(losses one) <(losses "$3") | awk -v what="$1 ranks$2" '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d; n++ }
        END { if (n == 20 && most < 2e-5) print what ": the losses of one within rounding"; else print what ": " n " losses, up to " most " apart" }'
    grep -o '"ranks":.*,"previous' "$3"/journal | sed 's/,"previous//' | sort -u
    [ "$(quern-train verify "$3"/checkpoints/* | grep -vc whole)" = 0 ] || quern-train verify "$3"/checkpoints/*
}
train 1 one || cat one.out
for ranks in 2 3; do
    train $ranks ranks$ranks || cat ranks$ranks.out
    like_one $ranks "" ranks$ranks
done
for layout in "2 2" "4 2" "8 8"; do
    set -- $layout
    train $1 shared$1 --set train.expert_parallel=$2 || cat shared$1.out
    like_one $1 ", $2 share experts" shared$1
done
# experts.jsonl and the window are of all ranks: every token counts, in its source and for its experts.
tokens() { sed 's/.*"source_tokens":{\([^}]*\)}.*/\1/' "$1/experts.jsonl"; }
diff <(tokens one) <(tokens shared4) && echo "the map of the experts' load has the tokens of all ranks"

echo "== killed and gone on with"
descendants() { for child in $(pgrep -P "$1"); do echo "$child"; descendants "$child"; done; }
train 2 killed --set train.checkpoint.every=7 2>/dev/null &
until [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -ge 30 ]; do kill -0 $! 2>/dev/null || break; done
kill -KILL $(descendants $!) 2>/dev/null
wait $! 2>/dev/null
train 2 killed || cat killed.out
cmp ranks2/model-00001-of-00001.safetensors killed/model-00001-of-00001.safetensors && echo "the same bytes"

train 4 shared --set train.checkpoint.every=7 --set train.expert_parallel=2 2>/dev/null &
until [ "$(cat shared/metrics.jsonl 2>/dev/null | wc -l)" -ge 30 ]; do kill -0 $! 2>/dev/null || break; done
kill -KILL $(descendants $!) 2>/dev/null
wait $! 2>/dev/null
train 4 shared --set train.expert_parallel=2 || cat shared.out
cmp shared4/model-00001-of-00001.safetensors shared/model-00001-of-00001.safetensors && echo "the same bytes, with experts shared"

echo "== another layout goes on"
train 2 mixed --set train.tokens=20K --set 'train.rate.segments=[]' || cat mixed.out
train 1 mixed --set train.tokens=30K --set 'train.rate.segments=[]' || cat mixed.out
train 4 mixed --set train.tokens=35K --set train.expert_parallel=2 --set 'train.rate.segments=[]' || cat mixed.out
train 3 mixed --set 'train.rate.segments=[]' || cat mixed.out
grep -o '"step":[0-9]*,"samples":[0-9]*,"tokens":[0-9]*' mixed/metrics.jsonl | tail -n 1

echo "== refused"
quern-train run $recipe --shards shards -t tokenizer -o x --ranks nccl; echo "exit $?"
train 2 mixed --set seed=3; code=$?
grep -c 'rank 0: ' mixed.out | sed 's/[1-9].*/told with the rank/'; [ $code != 0 ] && echo refused
train 3 uneven --set train.expert_parallel=2; grep -o "'train.expert_parallel'.*" uneven.out | sort -u
train 3 uneven --set train.expert_parallel=3; grep -o '3 ranks cannot.*' uneven.out | sort -u
train 1 uneven --set train.expert_parallel=2; cat uneven.out
# A rank that fails alone, where the others do not look: nobody waits for ever.
options="run $recipe -t tokenizer -o alone --ranks mpi -q -j 1"
timeout 60 mpirun -n 1 quern-train $options --shards shards : -n 1 quern-train $options --shards nowhere >alone.out 2>&1
code=$?
[ $code != 124 ] && [ $code != 0 ] && grep -c "nowhere" alone.out | sed 's/[1-9].*/a rank that fails alone ends all/'
true

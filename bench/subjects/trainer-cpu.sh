# The trainer on the CPU beside transformers' DeepseekV3ForCausalLM in PyTorch: whole steps of 8 x 512 tokens, in turn, on the same threads, and where our time goes. The peer's Python environment is
# made in the build folder (tests/peers/environment train; several GB), or named by QUERN_PEERS_TRAIN.
#
#   QUERN_ONLY     a pattern (extended): only the figures whose names match
mkdir -p bin
python=$("$source_folder/tests/peers/environment" "$build/peers/environment" train 2>no-peers) || { cat no-peers >&2; python=false; }
printf '#!/bin/sh\nmodel=$1\nshift\nexec "%s" "%s/bench/peers/torch_peer.py" "%s/recipes/models/$model.yaml" "$@" 2>/dev/null\n' "$python" "$source_folder" "$source_folder" >bin/torch-peer
chmod +x bin/torch-peer
export PATH="$PWD/bin:$PATH"
describe 'The trainer on the CPU' 'made-up tokens: 8 sequences of 512 a step, forward, backward, clipping and AdamW, no MTP module'

# NAME MODEL WHAT OPTIONS...: beside the peer in turn.
steps=5
[ ! "$quick" ] || steps=1
train_speed() {
    local name=$1 model=$2 what=$3
    shift 3
    [[ train.$name =~ ${QUERN_ONLY:-.} ]] || return 0
    figure "train.$name" "$what" tokens -j "$threads" --reported tokens_per_s "${compared[@]}" -- quern-train bench --model "$model" -j "$threads" --steps $steps --json "$@" ||
        { note "- Not measured: $name."; echo "bench: train.$name failed" >&2; }
}
# beside MODEL WANTED: the peer's options; half of its memory is wanted.
beside() {
    compared=(--peer 'PyTorch 2.15, transformers 4.57' --peer-command "torch-peer $1 fp32 $steps $threads" --peer-reported per_second)
    [ "$quick" ] || compared+=(--wanted "$2" --wanted-memory 0.5)
}
beside nano 2
train_speed nano nano 'nano, FP32'
beside mini 1.5
train_speed mini mini 'mini, FP32, norms and SwiGLU computed again' --recompute norms
compared=()
train_speed mini.kept mini 'mini, FP32, nothing computed again'

# BF16 beside FP32 in turn: faster where the processor multiplies BF16 (AVX-512 BF16, AMX), for its memory elsewhere.
narrow() { # MODEL
    compared=(--peer 'the same in FP32' --peer-command "quern-train bench --model $1 -j $threads --steps $steps --json" --peer-reported tokens_per_s)
    if ! [ "$quick" ] && grep -qE '\<(avx512_bf16|amx_bf16)\>' /proc/cpuinfo; then compared+=(--wanted 1); fi
    train_speed "$1.bf16" "$1" "$1, BF16" --precision bf16
}
narrow nano
narrow mini

by_operation() {
    note "### $1"; note
    quern-train bench --model "$1" -j "$threads" --steps $steps --by-operation | sed 's/^/    /' >>notes
    note
}
note '`torch-peer` is `bench/peers/torch_peer.py` with the Python of `tests/peers/environment`.'; note
note "Runs of an hour, their losses, bits per byte by language and the experts' loads: docs/ablations.md, made by \`recipes/ablations/run\`."; note
note '## Where the time goes'; note
note 'Share of a step, and the rate of what multiplies matrices beside that of one large product (the peak). What is computed twice (scores of attention in its backward) counts once.'; note
by_operation nano
by_operation mini

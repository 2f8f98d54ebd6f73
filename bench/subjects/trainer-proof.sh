# What shows that the trainer is right: its numbers beside transformers' in PyTorch, kills at random moments, and how long a checkpoint holds the training up. QUERN_DATA brings the two
# reference models (train/golden-*), QUERN_PEER_SCRIPTS (train_golden.py) and the environment of `trainer-cpu` fourteen more. QUERN_KILLS: how many kills, 50 where it is not set.
export QUERN_SOURCE=$source_folder QUERN_BUILD=$build
kills=${QUERN_KILLS:-50}
[ ! "$quick" ] || kills=2
describe "The trainer's proofs" 'reference models of transformers, and a run on made-up texts'

# Each line is what a comparison said; relative differences in the norm.
golden() { # FOLDER...
    local folder
    note '## Beside transformers'; note
    note 'Relative differences, in the norm of each tensor, between this trainer and DeepseekV3ForCausalLM of transformers with AdamW of PyTorch, both in FP32: the worst logits; the worst gradient of one tensor, and whose it is; losses and norms of the gradient over the steps (`first`: of the first step); the worst parameter behind ten steps. By `tests/golden_compare FOLDER`. Wanted: logits and gradients within 1e-5, losses 2e-6, parameters 1e-3, tokens per expert equal.'; note
    for folder; do
        [ -d "$folder" ] || { note "    ${folder##*/}: not here"; continue; }
        note "    $("$build/tests/golden_compare" "$folder" | sed 's|^.*/||')"
    done
    note
}
configurations() {
    local said
    note 'Fourteen more shapes (no latent of queries, one group, two shared experts, odd sizes ...), made and compared by `tests/peers/train.sh`. Both compute in single precision; `double` is the second implementation, `tests/train/golden/reference.py`, in double precision, and both are held to the bounds against it. Where ours and transformers are further apart than the bounds, it shows whose rounding that is:'; note
    said=$(PATH="$build/bin:$PATH" bash "$source_folder/tests/peers/train.sh" 2>&1) || true
    printf '%s\n\n' "${said//$'\n'/$'\n'    }" | sed '1s/^/    /' >>notes
}
# MODEL: how long training stood still for each of its checkpoints: written by a thread of their own from a copy, and by the training itself. They are so far apart that none waits for the
# one before.
stalls() {
    local background folder
    for background in yes no; do
        folder=stalls-$1-$background
        quern-train run --recipe recipe.yaml --set "model=$1" --set train.tokens=16K --set train.micro_batch=16 --set 'train.batch={sequences: 16}' --set train.checkpoint.every=6 \
            --set "train.checkpoint.background=$background" --shards shards -t tokenizer -o "$folder" -q 2>/dev/null || { note "- $1: failed"; return 0; }
        note "| $1 | $(du -sm "$folder/checkpoints/$(cat "$folder/latest")" | cut -f1) MB | $([ $background = yes ] && echo 'a copy, in the background' || echo 'the training itself') | $(grep -o '"stall_seconds":[0-9.e-]*' "$folder/journal" | sed 's/.*://' | sort -g | awk '{ s[NR] = $1 } END { printf "%.3f s | %.3f s", s[int((NR + 1) / 2)], s[NR] }') |"
        rm -rf "$folder"
    done
}
checkpoints() {
    note '## Checkpoints'; note
    note 'How long training stood still for a checkpoint (parameters and both moments in FP32; hashed, fsynced). The longest in the background is the last of the run, which waits until it is written:'; note
    note '| model | on disk | written by | median | longest |'
    note '|---|---|---|---|---|'
    stalls nano
    stalls mini
    note
}

# shellcheck source=/dev/null
(. "$source_folder/tests/tiny/trainer-lib.sh" && tiny_train_setup) >&2
mkdir -p models bin kills && cp "$source_folder"/recipes/models/{nano,mini}.yaml models/
printf '#!/bin/sh\ncd "%s" && QUERN_KILLS=$1 exec bash "%s/tests/long/kill-trainer.sh"\n' "$PWD/kills" "$source_folder" >bin/kill-trainer
chmod +x bin/kill-trainer
export PATH="$PWD/bin:$PATH"
golden "${QUERN_DATA:-}/train/golden-v3" "${QUERN_DATA:-}/train/golden-yarn"
[ "$quick" ] || configurations
checkpoints
figure proof.kills 'SIGKILL at random moments, started again with other threads: the same bits as a run left alone (tests/long/kill-trainer.sh)' kills --runs 1 --amount "$kills" -- \
    kill-trainer "$kills"

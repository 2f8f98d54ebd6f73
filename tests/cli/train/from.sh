# A run that begins with the weights of another one, or with published ones: its first loss is theirs; the folder's bytes and not its path make it another run; weights that do not fit are refused.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.balance.loss=0
run() { # FOLDER OPTIONS
    tiny_train_run "$1" --set train.tokens=4K "${@:2}"
    tiny_train_said "$1"
}
loss() { tiny_losses "$1" | sed -n 1p; }
below() { awk -v a="$1" -v b="$2" 'BEGIN {print a < b ? "below" : "not below"}'; }

run first
run second --set train.from=first
echo "first loss of the second run: $(below "$(loss second)" "$(awk -v l="$(loss first)" 'BEGIN {print l - 0.3}')") the first run's by 0.3"
grep -o '"from"' second/step.json

# Moved, it is the same run; in another type, another one. Going on does not look for the weights again but for their hash.
mv first moved
run second --set train.from=moved
run second --set train.from=moved --set model=./moved # whose config.json says the same shape
quern-train export moved -o half --dtype bf16 -q
run second --set train.from=half
run halved --set train.from=half -j 1
run halved-again --set train.from=half -j 2
tiny_same_weights halved halved-again && echo "two threads: the same bytes"
[ "$(loss halved)" != "$(loss second)" ] && echo "rounded weights: another loss"

# A run of no rate is its beginning: what is read is what was written.
run still --set train.from=moved --set train.rate.peak=0 --set train.rate.segments=[] --set train.balance.rate=0
tiny_same_weights still moved && echo "nothing learned: the same weights"

# Before its training it was what it began with, whose last figure is its first.
evaluate() { # FOLDER MODEL OPTIONS
    local folder=$1 model=$2
    shift 2
    quern-eval run $recipe --model "$model" --shards shards -t tokenizer -o "$folder" -q "$@" 2>&1 | grep -v '^eval: "' | sed -E 's/^([0-9]+:[0-9]+:[0-9]+ )?quern-eval( run)?: //; s/[0-9]+\.[0-9]+/N/g'
}
evaluate eval-moved moved
evaluate eval-second second --set train.from=moved
tr -d '\n ' <eval-moved/results.json >moved.json && tr -d '\n ' <eval-second/results.json >second.json
row() { grep -oE "\"heldout\":.*" "$1.json" | grep -oE "\"$2\":\{[^}]*\}" | head -n 1 | cut -d: -f2-; }
[ "$(row second initial)" = "$(row moved final)" ] && [ "$(row second initial)" != "$(row moved initial)" ] && echo "evaluated: it began as the other ended"
evaluate eval-still still --set train.from=moved | head -n 1
tr -d '\n ' <eval-still/results.json >still.json && [ "$(row still initial)" = "$(row still final)" ] && echo "nothing learned: the same before and after"
evaluate eval-unknown second
grep -c initial eval-unknown/results.json
quern-eval report eval-unknown -o page.html -q >out 2>&1 && grep -c 'before training' page.html || cat out
evaluate eval-second second
evaluate x second --set train.from=gone
evaluate x second --set train.from=half
# Rows that only the run's own recipe calls padding.
run wide --set model.vocab_size=768
run narrow --set model.vocab_size=768 --set model.unpadded_vocab_size=640 --set train.from=wide --set train.rate.peak=0 --set train.rate.segments=[] --set train.balance.rate=0
evaluate eval-narrow narrow --set train.from=wide
tr -d '\n ' <eval-narrow/results.json >narrow.json && [ "$(row narrow initial)" = "$(row narrow final)" ] && echo "padding: the same before and after"

run x --set train.from=none
run x --set model=./corpus | sed 's/^.*corpus/corpus/'
run x --set model=./none
run x --set train.from=corpus
# Weights mean what they were trained to mean in their own model alone: a deeper one is not cut, and no number that changes the computation may be another.
for setting in num_hidden_layers=1 moe_intermediate_size=8 n_shared_experts=0 num_nextn_predict_layers=1 vocab_size=704 tie_word_embeddings=true \
    routed_scaling_factor=1 num_experts_per_tok=1 n_group=1 norm_topk_prob=false rms_norm_eps=1e-5 rope_theta=5e4; do
    run x --set train.from=half --set model.$setting
done
ls -d x 2>&1
# Longer sequences, and positions stretched for them, are a way to go on; a stretched model without it is not.
yarn='--set model.rope_scaling.type=yarn --set model.rope_scaling.original_max_position_embeddings=32'
run longer --set train.from=half --set model.max_position_embeddings=128 $yarn --set model.rope_scaling.factor=4 && ls -d longer/manifest.json
run x --set train.from=longer
run x --set train.from=longer $yarn
# What a folder does not call its own layers or modules is none of its model.
mkdir cut && cp half/* cut && sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 1/' cut/config.json
run w --set train.from=cut --set model.num_hidden_layers=1 | sed 's/layers\.1\..*weight/layers.1.*.weight/'
printf '\1' | dd of=moved/$weights bs=1 seek=20000 conv=notrunc 2>out
run v --set train.from=moved 2>&1 | sed 's/its hash is.*says.*;/its hash is another;/'

# A model with positions for a book takes memory for the window that is looked through, and says the same.
quern-train export second -o book -q && sed -i 's/"max_position_embeddings": *[0-9]*/"max_position_embeddings": 16000000/' book/config.json
bits() { quern-eval bpb -t tokenizer "$@" recipe.yaml 2>&1 | sed -E 's/.*quern-eval bpb: //'; }
[ "$(bits --model book --window 64)" = "$(bits --model second)" ] && bits --model book | sed -E 's/[0-9.]+/N/g'
[ "$(quern-eval generate -t tokenizer --model book --prompt 'The mill' --tokens 8)" = "$(quern-eval generate -t tokenizer --model second --prompt 'The mill' --tokens 8)" ] && echo "generated: the same text"
bits --model second --window 65

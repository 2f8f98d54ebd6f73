# A padded vocabulary: rows that are never predicted stay in checkpoints, which go on to the bit; what is made for others has none, since they would take each for a token.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.tokens=4K --set train.z_loss=0.01 --set train.ema.decay=0.9
padding="--set model.vocab_size=768 --set model.unpadded_vocab_size=640"
rows() { quern-train inspect "$1" --tensors | grep -E 'embed_tokens|lm_head|shared_head.head' | sed 's/  */ /g'; }
same() { tiny_same_weights "$1" "$2" && echo "$2: the same bytes as $1"; }
checkpoint() { echo "$1/checkpoints/$(cat "$1/latest")"; }

tiny_train plain
tiny_train padded $padding
rows padded
grep vocab_size padded/config.json
grep vocab_size "$(checkpoint padded)/config.json"
rows "$(checkpoint padded)" | head -n 2
same plain padded

echo "== export"
quern-train export "$(checkpoint padded)" -o exported -q && quern-train export padded -o again -q && diff -r exported again && same padded exported
quern-train export "$(checkpoint padded)" --ema -o average -q && quern-train export "$(checkpoint plain)" --ema -o plain-average -q && same plain-average average

echo "== going on"
tiny_train plain --set train.tokens=6K
tiny_train padded $padding --set train.tokens=6K
same plain padded
tiny_train from-plain --set train.from=plain
tiny_train from-padded --set train.from=padded $padding
tiny_train from-checkpoint --set "train.from=$(checkpoint padded)"
tiny_train from-less --set "train.from=$(checkpoint padded)" --set model.vocab_size=648 --set model.unpadded_vocab_size=640
for folder in from-padded from-checkpoint from-less; do same from-plain $folder; done
tiny_train_run x --set train.from=padded --set model.vocab_size=704
cat x.out

echo "== modules"
modules="--set model.num_nextn_predict_layers=1"
tiny_train deep $modules $padding
rows deep
tiny_train from-deep $modules --set train.from=deep
tiny_train from-deep-padded $modules $padding --set train.from=deep
same from-deep from-deep-padded

echo "== evaluation"
for folder in plain padded; do quern-eval run $recipe --model $folder --shards shards -t tokenizer -o $folder-eval -q 2>out || cat out; done
cmp plain-eval/results.json padded-eval/results.json && echo "the same results"

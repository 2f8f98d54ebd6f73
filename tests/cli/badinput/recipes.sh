# Recipes that are no recipes: file, line and key are named, exit 2, by every program, and no folder is made.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
case_of() { printf "$2" >"$1.yaml"; refused 2 quern-corpus plan --recipe "$1.yaml"; }
case_of twice 'name: a\nseed: 1\nseed: 2\n'
case_of section-twice 'corpus: {held_out: 0.1}\ncorpus: {held_out: 0.2}\n'
case_of tab 'name: a\ncorpus:\n\theld_out: 0.1\n'
case_of open 'name: [a\n'
case_of anchor 'a: &x [1]\nname: *x\n'
case_of two 'name: a\n---\nname: b\n'
case_of list '\055 1\n'
case_of word 'hello\n'
case_of mapping 'name: {a: 1}\n'
case_of inputs 'inputs: {name: x, path: y}\n'
case_of input 'inputs: [x]\n'
case_of input-name 'inputs:\n  - {name: A B, path: x}\n'
case_of same-name 'inputs:\n  - {name: a, path: x}\n  - {name: a, path: y}\n'
case_of no-path 'inputs:\n  - {name: a}\n'
case_of section 'corpus: 7\n'
case_of number 'corpus: {held_out: [1]}\n'
case_of whole 'corpus: {depth_max: 1.5}\n'
case_of negative 'seed: -1\n'
case_of typo 'corups: {}\n'
case_of bytes 'name: "\377"\n'
case_of nul 'name: a\000b\n'
case_of utf-16 '\377\376n\000a\000\n\000'
case_of tag 'name: !!python/object:os.system x\n'
case_of key '? [a, b]\n: 1\n'
head -c 100000 /dev/zero | tr '\0' '[' >deep.yaml
refused 2 quern-corpus plan --recipe deep.yaml
(printf 'name: '; head -c 2000000 /dev/zero | tr '\0' 'x') >large.yaml
refused 2 quern-corpus plan --recipe large.yaml
mkdir folder.yaml
refused 2 quern-corpus plan --recipe folder.yaml
echo "== the same words from every program"
for program in dedup tokenizer shards train eval; do refused 2 quern-$program plan --recipe twice.yaml; done
for verb in run status verify; do refused 2 quern $verb twice.yaml; done
echo "== a run needs inputs, and a file"
: >empty.yaml
refused 2 quern run empty.yaml
refused 2 quern run -
echo "== shapes of models"
cp "$QUERN_SOURCE/tests/tiny/recipe.yaml" tiny.yaml
"$QUERN_SOURCE/tests/tiny/make-input" input
for set in model.hidden_size=0 model.hidden_size=100000000000 model.num_attention_heads=99999999 model.n_group=3 model.topk_group=9 \
    model.num_experts_per_tok=9 model.first_k_dense_replace=5 model.num_hidden_layers=0 model.qk_rope_head_dim=7 model.vocab_size=1 \
    model.hidden_sise=3 model=nanno 'model={}' 'model=[1]' model.n_routed_experts=0 train.micro_batch=0 train.tokens=0 train.batch.sequences=0 \
    train.checkpoint.every=0 train.rate.peak=nan; do
    refused 2 quern-train plan --recipe tiny.yaml --set "$set"
    quern run tiny.yaml --set "$set" >/dev/null 2>&1
    [ $? -eq 2 ] || echo "a run takes $set"
done
ls -d run runs 2>/dev/null

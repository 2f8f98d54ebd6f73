# The rate of every stage on this machine, for people and for the planner. Names of figures are STAGE.STEP.
describe 'Every stage' "$text_about"

cat >recipe.yaml <<'RECIPE'
name: bench
dir: run
seed: 1
tokenizer: {vocab_size: 4096}
shards: {sequence_tokens: 512}
model: nano
train: {tokens: 50K, rate: {peak: 1e-3, warmup_steps: 5}, batch: {sequences: 8}, micro_batch: 8}
RECIPE

figure corpus.build 'corpus: read, decode, identify, filter' bytes --amount-of corpus/manifest.json:accounting.in.bytes \
    --prepare 'rm -rf corpus' -- quern-corpus build "${texts[@]}" -o corpus -q

quern-corpus cat corpus/part-?????.jsonl.zst >corpus.jsonl
with_peer 'rensa 0.5' minhash.py rensa corpus.jsonl 1e9
figure dedup.sign 'dedup: sign (normalise, shingle, MinHash 14 x 8)' bytes --amount-of corpus/manifest.json:accounting.out_bytes \
    "${compared[@]}" --prepare 'rm -rf dedup' -j 1 -- quern-dedup build corpus -o dedup --step sign -q -j 1
figure dedup.build 'dedup: all steps' bytes --amount-of corpus/manifest.json:accounting.out_bytes \
    --prepare 'rm -rf dedup' -- quern-dedup build corpus -o dedup -q

quern-corpus cat dedup/part-?????.jsonl.zst >clean.jsonl
with_peer 'tokenizers 0.23.3' tok_train.py hf 4096 clean.jsonl "$threads"
figure tokenizer.train 'tokenizer: count and train a vocabulary of 4,096' bytes --amount-of dedup/manifest.json:accounting.out_bytes \
    "${compared[@]}" --prepare 'rm -rf tokenizer' -- quern-tokenizer train dedup --recipe recipe.yaml -o tokenizer -q
figure tokenizer.encode 'tokenizer: encode JSON lines' bytes --amount-of dedup/manifest.json:accounting.out_bytes \
    -j 1 -- quern-tokenizer encode -t tokenizer clean.jsonl --binary -q -j 1

figure shards.build 'shards: encode and pack' bytes --amount-of dedup/manifest.json:accounting.out_bytes \
    --prepare 'rm -rf shards' -- quern-shards build dedup -t tokenizer --recipe recipe.yaml -o shards -q

with_peer 'transformers 4.57 on PyTorch' train_torch.py nano fp32
figure train.nano 'train: nano, 8 x 512 tokens a step, FP32' tokens --reported tokens_per_s "${compared[@]}" \
    -- quern-train bench --model nano --json -q

# A model that has learned next to nothing evaluates as fast as one that has.
quern-train run --recipe recipe.yaml --shards shards -t tokenizer -o model -q
head -c 100000 clean.jsonl | head -n -1 >sample.jsonl
figure eval.bpb 'eval: bits per byte, nano' bytes --amount "$(wc -c <sample.jsonl)" \
    -- quern-eval bpb --model model -t tokenizer sample.jsonl -q

# What is wrong is said in one line before any work, with the exit code of docs/cli.md.
try() { "$@" 2>&1 | head -n 2; echo "exit ${PIPESTATUS[0]}"; }
cat >r.yaml <<'END'
name: r
model: nano
train:
  tokens: 1M
  rate:
    peek: 1e-3
END
try quern-train plan --recipe r.yaml --json
try quern-train plan --recipe r.yaml --set train.rate.peek= --json
sed -i 's/peek: 1e-3/peak: 2/' r.yaml
try quern-train plan --recipe r.yaml --json
sed -i 's/peak: 2/peak: 1e-3/' r.yaml
try quern-train plan --recipe r.yaml --set train.optimizer.epsilon=0 --json
try quern-train plan --recipe r.yaml --set 'train.rate.segments=[{until: 10}, {until: 10, kind: cosine}]' --json
try quern-train plan --recipe r.yaml --set model=nanno --json
try quern-train run --recipe r.yaml -o x
try quern-train run --recipe r.yaml -o x --shards none -t none
try quern-train run --recipe none.yaml -o x
try quern-train verify none
try quern-train runn
try quern-train run --recipe r.yaml -o x --step group
try quern-train run --recipe r.yaml -o x --task 1/4
try quern-train run --shard x
# Memory depends on the processor's threads alone here; its numbers are those of tests/train/test_preflight.c.
try quern-train plan --recipe r.yaml --json | sed -E '/^\{/s/:[0-9]+/:N/g'
# A model that fits no machine: told by kind, before anything is taken.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup
try quern-train run $recipe --set model=deepseek-v3 --shards shards -t tokenizer -o huge -q | sed -E 's/ [0-9.]+ [kMGTP]?B/ N B/g'
ls huge

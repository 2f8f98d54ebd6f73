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
try quern-train plan --recipe r.yaml --set 'train.rate.segments=[{until: 10, kind: cosine}]' --json
try quern-train plan --recipe r.yaml --set model=nanno --json
try quern-train run --recipe r.yaml -o x
try quern-train run --recipe r.yaml -o x --shards none -t none
try quern-train run --recipe none.yaml -o x
try quern-train verify none
try quern-train runn
try quern-train run --shard x
try quern-train plan --recipe r.yaml --json

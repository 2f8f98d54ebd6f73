# What is wrong is said in one line, with the exit code of docs/cli.md, and leaves nothing that looks whole.
plain() { sed -E 's/^[0-9:]{8} //; s/; [0-9.]+ s, .*/; .../; s/[0-9a-f]{12}/KEY/g'; }
try() { quern-dedup "$@" >output 2>&1; code=$?; plain <output; echo "exit $code"; }
printf '{"id":"a","text":"some words"}\n{"id":"b","text":"some words"}\n' >input.jsonl
quern-corpus build input.jsonl -o corpus --set corpus.gopher.enabled=false -q 2>/dev/null

try build corpus
try build -o out
try build nowhere -o out
try build corpus -o out --set dedup.jacard=0.8
try build corpus -o out --set dedup.jaccard=2
try build corpus -o out --set dedup.bands=200 --set dedup.rows=60
try build corpus -o out --step resolve
try build corpus -o out --task 0/2
try build corpus -o out --step group
try build corpus -o out -q
try build corpus -o out --set dedup.near=false
try build corpus -o out --set dedup.near=false --force -q
mkdir strange && echo text >strange/file
try build corpus -o strange
try report corpus

echo "# a damaged input"
cp -r corpus broken
printf 'garbage' | dd of=broken/part-00000.jsonl.zst bs=1 seek=60 conv=notrunc 2>/dev/null
try build broken -o out2
truncate -s 50 broken/part-00000.jsonl.zst
try build broken -o out2
[ -e out2/manifest.json ] && echo "looks whole"

echo "# pairs"
try pairs nowhere.jsonl
printf '{"id":"a","text":"x"}\n{"id":"b"}\n' >bad.jsonl
try pairs bad.jsonl
printf '{"id":"a","text":"x"\n' >bad.jsonl
try pairs bad.jsonl

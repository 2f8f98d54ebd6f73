# An input that changes: between two tasks, between plan and build, while it is read.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
mkdir in
for file in 0 1 2 3 4 5 6 7; do for line in 1 2 3; do echo "{\"text\": \"$words $words $words $file $line\"}"; done >in/$file.jsonl; done
printf 'name: c\ninputs:\n  - {name: c, path: in/*.jsonl}\ncorpus: {part_bytes: 1}\n' >c.yaml
try "one task" quern-corpus build --recipe c.yaml -o out --task 0/2 --step build -q
echo '{"text": "more"}' >>in/3.jsonl
try "the other, of other files" quern-corpus build --recipe c.yaml -o out --task 1/2 --step build -q
try "and the whole" quern-corpus build --recipe c.yaml -o out -q
looks_whole out
try "--force makes it anew" quern-corpus build --recipe c.yaml -o out -q --force
quern-corpus build --recipe c.yaml -o fresh -q 2>/dev/null
diff -rq -x provenance.json out fresh

# The last file grows once the first part is there.
rm -r in
mkdir in
for file in 1 2 3 4 5 6; do for line in $(seq 9000); do echo "{\"text\": \"$words $words $words $file $line\"}"; done >in/$file.jsonl; done
sed -i 's/part_bytes: 1}/part_bytes: 100K}/' c.yaml
quern-corpus build --recipe c.yaml -o moving -j 1 -q >log 2>&1 &
build=$!
for _ in $(seq 1000); do [ -e moving/part-00000.json ] && break; sleep 0.005; done
echo '{"text": "more"}' >>in/6.jsonl
wait $build
echo "--- a file that grows while others are read: exit $?"
badinput_tidy <log
looks_whole moving
try "the old folder is of the old files" quern-corpus build --recipe c.yaml -o moving -q

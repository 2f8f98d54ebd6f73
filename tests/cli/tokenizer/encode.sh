# Text to ids and back.
T=$QUERN_SOURCE/tests/tokenizer/golden
echo "-- a text file is one document, a line of JSON lines is one"
printf 'The mill grinds.\nTwo lines.\n' > page.txt
printf '{"id": "a", "text": "The mill"}\n{"text": ""}\n\n{"text": "<｜User｜> grinds", "lang": "en"}\n' > docs.jsonl
quern-tokenizer encode -t "$T" page.txt
quern-tokenizer encode -t "$T/tokenizer.json" docs.jsonl
quern-tokenizer encode -t "$T" docs.jsonl --special parse
printf 'The mill' | quern-tokenizer encode -t "$T"
printf '{"text": "The mill"}' | quern-tokenizer encode -t "$T" --format jsonl -
quern-tokenizer encode -t "$T" page.txt docs.jsonl --format text | wc -l

echo "-- binary ids are u32, little-endian"
printf 'The mill' | quern-tokenizer encode -t "$T" --binary | od -An -tu4

echo "-- any bytes come back"
quern-tokenizer encode -t "$T" page.txt | quern-tokenizer decode -t "$T" | cmp - page.txt && echo same
head -c 3000 "$(command -v quern-tokenizer)" > program.bin
quern-tokenizer encode -t "$T" program.bin | quern-tokenizer decode -t "$T" | cmp - program.bin && echo same
quern-tokenizer encode -t "$T" program.bin --binary | quern-tokenizer decode -t "$T" --binary | cmp - program.bin && echo same
quern-tokenizer encode -t "$T" docs.jsonl | quern-tokenizer decode -t "$T" --format jsonl

echo "-- threads change nothing"
for i in $(seq 300); do echo "{\"text\": \"$i stones, $((i * i)) turns\"}"; done > many.jsonl
quern-tokenizer encode -t "$T" many.jsonl -j 1 > one.ids
quern-tokenizer encode -t "$T" many.jsonl -j 4 | cmp - one.ids && echo same
quern-tokenizer bench -t "$T" many.jsonl -j 1 | sed -E 's/"(mb_per_s_[a-z]+|peak_bytes)":[0-9.]+/"\1":N/g'

echo "-- the bytes that each id stands for"
quern-tokenizer encode -t "$T" docs.jsonl --special parse --offsets
printf 'The mill' | quern-tokenizer encode -t "$T" --offsets --binary
echo "exit $?"

echo "-- a text of any length is read in parts: the same ids as with all of it at hand"
for i in $(seq 300); do printf '%s turns, and %s e%09000d\n' "$i" "$((i * i))" 0; done > long.txt
quern-tokenizer encode -t "$T" long.txt | tr ' ' '\n' > parts.ids
quern-tokenizer encode -t "$T" long.txt --offsets | tr ' ' '\n' | cut -d: -f1 | cmp - parts.ids && echo same

echo "-- where one id is wrong nothing is written"
printf '5 6\n7 99999999\n' | quern-tokenizer decode -t "$T"
echo "exit $?"

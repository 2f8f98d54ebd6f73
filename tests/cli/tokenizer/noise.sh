# Ids drawn for training data: the text stays, nothing but seed and document matters.
T=$QUERN_SOURCE/tests/tokenizer/golden
for i in $(seq 200); do echo "{\"id\": \"d$i\", \"text\": \"The mill grinds $i sacks.\\nThe stones turn; the grain falls.\\n\\n\"}"; done > docs.jsonl
quern-tokenizer encode -t "$T" docs.jsonl > plain.ids
quern-tokenizer encode -t "$T" docs.jsonl --dropout 0.1 --boundary-split 0.5 --seed 7 > noisy.ids
cmp -s plain.ids noisy.ids || echo "other ids"
quern-tokenizer decode -t "$T" --format jsonl plain.ids > plain.txt
quern-tokenizer decode -t "$T" --format jsonl noisy.ids | cmp - plain.txt && echo "the same text"

echo "-- threads, order and neighbours change nothing; the seed does"
quern-tokenizer encode -t "$T" docs.jsonl --dropout 0.1 --boundary-split 0.5 --seed 7 -j 3 | cmp - noisy.ids && echo same
tac docs.jsonl | quern-tokenizer encode -t "$T" --format jsonl --dropout 0.1 --boundary-split 0.5 --seed 7 | tac | cmp - noisy.ids && echo same
quern-tokenizer encode -t "$T" docs.jsonl --dropout 0.1 --boundary-split 0.5 --seed 8 | cmp -s - noisy.ids || echo other

echo "-- the ends of the scale"
quern-tokenizer encode -t "$T" docs.jsonl --dropout 0 --boundary-split 0 --seed 7 | cmp - plain.ids && echo "none: ordinary ids"
printf 'The mill' | quern-tokenizer encode -t "$T" --dropout 1
printf 'The mill.\n\n' | quern-tokenizer encode -t "$T"
printf 'The mill.\n\n' | quern-tokenizer encode -t "$T" --boundary-split 1
printf 'The mill.\n\n' | quern-tokenizer encode -t "$T" --boundary-split 1 | quern-tokenizer decode -t "$T"
for bad in "--dropout 2" "--boundary-split -0.5" "--dropout nan"; do
    # shellcheck disable=SC2086
    quern-tokenizer encode -t "$T" docs.jsonl $bad
    echo "exit $?"
done

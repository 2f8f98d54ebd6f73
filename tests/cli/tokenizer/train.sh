# A vocabulary from plain text and from JSON lines, by texts and by counts: the same bytes, for any threads.
cat "$QUERN_SOURCE/tests/tokenizer/golden/words.txt" > words.txt
golden=$QUERN_SOURCE/tests/tokenizer/golden/tokenizer.json
quern-tokenizer train words.txt -o plain.json --vocab-size 1200 -q 2>/dev/null
cmp plain.json "$golden" && echo "the golden vocabulary"

# Two halves, counted apart, in either order.
head -c 2500 words.txt > a.txt
tail -c +2501 words.txt > b.txt
quern-tokenizer train a.txt b.txt -o both.json --vocab-size 1000 -j 1 -q 2>/dev/null
quern-tokenizer train b.txt a.txt -o turned.json --vocab-size 1000 -j 3 -q 2>/dev/null
quern-tokenizer count a.txt -o a.counts -j 2 2>/dev/null
quern-tokenizer count b.txt -o b.counts -j 1 2>/dev/null
quern-tokenizer merge-counts b.counts a.counts -o ab.counts
quern-tokenizer train --counts ab.counts -o counted.json --vocab-size 1000 -q 2>/dev/null
quern-tokenizer train --counts b.counts a.txt -o mixed.json --vocab-size 1000 -q 2>/dev/null
for other in turned counted mixed; do cmp both.json $other.json && echo "$other: the same"; done

echo "-- settings have one name, on the command line and in the recipe"
printf 'name: r\ntokenizer:\n  vocab_size: 700\n  max_token_length: 4\n' > r.yaml
quern-tokenizer train words.txt --recipe r.yaml -o recipe.json -q 2>/dev/null
quern-tokenizer train words.txt --set tokenizer.vocab_size=700 --set tokenizer.max_token_length=4 -o set.json -q 2>/dev/null
quern-tokenizer train words.txt --vocab-size 700 --max-token-length 4 -o options.json -q 2>/dev/null
cmp recipe.json set.json && cmp set.json options.json && echo "the same"

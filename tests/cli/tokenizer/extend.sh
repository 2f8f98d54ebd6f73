# Special tokens of one's own, a vocabulary that is extended, a bound on memory, and going on from a checkpoint: at the command line.
cat "$QUERN_SOURCE/tests/tokenizer/golden/words.txt" > words.txt
train() { quern-tokenizer train words.txt -q "$@" 2>&1 | grep -v "^tokenizer: "; }
train -o whole.json --vocab-size 900
train -o part.json --vocab-size 500
train -o extended.json --vocab-size 900 --extend part.json
cmp whole.json extended.json && echo "extended on the same text: the same as in one go"
train -o small.json --vocab-size 900 --memory 64M -j 2
cmp whole.json small.json && echo "in little memory: the same"
train -o resumed.json --vocab-size 900 --resume
cmp whole.json resumed.json && echo "nothing to go on from: from the beginning"

echo "-- special tokens"
printf '<s>\n</s>\n' > special.txt
train -o special.json --vocab-size 300 --special @special.txt --special '<pad>'
grep -o '"content": "[^"]*"' special.json
train -o more.json --vocab-size 320 --extend special.json --special '<new>'
grep -o '"id": [0-9]*, "content": "[^"]*"' more.json

echo "-- refused"
train -o x.json --vocab-size 300 --special '<s>' --special '<s>'
train -o x.json --vocab-size 300 --special @nowhere
train -o x.json --vocab-size 300 --special '<s>' --layout deepseek-v3
train -o x.json --vocab-size 300 --extend part.json
train -o x.json --vocab-size 600 --extend part.json --layout deepseek-v3
echo broken > x.json.merges
train -o x.json --vocab-size 600 --resume
ls

# Files that are no tokenizer, or one that cannot be reproduced: refused by name, exit 3. Each is the golden one with one change.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
golden=$QUERN_SOURCE/tests/tokenizer/golden/tokenizer.json
echo hi >hi.txt
case_of() { # NAME: its file on standard input
    cat >"$1.json"
    cmp -s "$1.json" "$golden" && echo "$1: not changed"
    refused 3 quern-tokenizer encode -t "$1.json" hi.txt
}
change() { sed "$2" "$golden" | case_of "$1"; }
: | case_of empty
head -c 5000 "$golden" | case_of cut
head -c 100000 /dev/zero | tr '\0' '[' | case_of nested
{ printf '{"a": '; head -c 100000 /dev/zero | tr '\0' '['; } | case_of nested-inside
printf '\001\002\003' | case_of binary
echo '[1]' | case_of list
echo '{"added_tokens": []}' | case_of no-model
change unigram 's/"type": "BPE"/"type": "Unigram"/'
change dropout 's/"dropout": null/"dropout": 0.5/'
change suffix 's/"end_of_word_suffix": null/"end_of_word_suffix": "<\/w>"/'
change normalizer 's/"normalizer": .*,$/"normalizer": {"type": "Lowercase"},/'
change removing 's/"behavior": "Isolated"/"behavior": "Removed"/'
change prefix 's/"add_prefix_space": false/"add_prefix_space": true/'
change flag '0,/"lstrip": false/s//"lstrip": "no"/'
change added-elsewhere '0,/"id": 6,/s//"id": 1300,/'
change id-twice '0,/"!": [0-9]*/s//"!": 19/'
change id-negative '0,/"!": [0-9]*/s//"!": -1/'
change id-large '0,/"!": [0-9]*/s//"!": 4294967296/'
change id-fraction '0,/"!": [0-9]*/s//"!": 1.5/'
change key-twice '0,/"!": [0-9]*,/s//"!": 18, "!": 18,/'
change no-byte '0,/"!": [0-9]*,/s///'
change added-without-text '0,/"content": "[^"]*"/s//"content": ""/'
change added-huge '0,/"id": 0,/s//"id": 4000000000,/'
change merge-of-one '0,/"merges": \[/s//"merges": [ "a",/'
change merge-of-none '0,/"merges": \[/s//"merges": [ ["nope", "nope"],/'
change merge-number '0,/"merges": \[/s//"merges": [ 7,/'
echo "== another stage refuses it too, and so does a model's folder"
mkdir folder
cp unigram.json folder/tokenizer.json
refused 3 quern-tokenizer decode -t folder hi.txt
refused 3 quern-tokenizer bench -t folder hi.txt
refused 3 quern-tokenizer encode -t . hi.txt

# Readers of tokenizer.json and .tiktoken, and normalization, on mutated files.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
mkdir seeds
printf 'the mill grinds the grain, the miller ground it; 12 mills grind e\xcc\x81 \xe4\xb8\xad\xe6\x96\x87\n' >text.txt
quern-tokenizer train -q text.txt -o seeds/small.json --vocab-size 290
sed 's/"normalizer": null/"normalizer": {"type": "NFKC"}/; s/"lstrip": false, "rstrip": false, "normalized": false/"lstrip": true, "rstrip": true, "normalized": true/' seeds/small.json >seeds/flags.json
sed 's/{"type": "Split", "pattern": {"Regex": "\\\\p{N}{1,3}"}/{"type": "Digits", "individual_digits": true}, {"type": "Split", "pattern": {"String": "i"}/' seeds/small.json >seeds/rules.json
quern-tokenizer export -q -t seeds/small.json --format tiktoken -o small.tiktoken
{ cat small.tiktoken; echo ====; cat small.tiktoken.json; } >seeds/small.ranks
cut -d';' -f1 "$QUERN_SOURCE/tests/tokenizer/golden/normal-forms.txt" | head -n 60 | while read -r codes; do for code in $codes; do printf "\U$code"; done; done >seeds/marks

fuzz_build fuzz_readers
fuzz_run fuzz_readers seeds/*

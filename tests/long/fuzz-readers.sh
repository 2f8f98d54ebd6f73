# Readers of tokenizer.json and .tiktoken, and normalization; records of crawls and HTTP messages; tables: on mutated files, under AddressSanitizer and UndefinedBehaviorSanitizer.
# QUERN_FUZZ_SECONDS (300, for each of the three) and QUERN_DICE (1) choose how long and which.
set -eu
seconds=${QUERN_FUZZ_SECONDS-300} dice=${QUERN_DICE-1}
mkdir seeds
printf 'the mill grinds the grain, the miller ground it; 12 mills grind e\xcc\x81 \xe4\xb8\xad\xe6\x96\x87\n' >text.txt
quern-tokenizer train -q text.txt -o seeds/small.json --vocab-size 290
sed 's/"normalizer": null/"normalizer": {"type": "NFKC"}/; s/"lstrip": false, "rstrip": false, "normalized": false/"lstrip": true, "rstrip": true, "normalized": true/' seeds/small.json >seeds/flags.json
sed 's/{"type": "Split", "pattern": {"Regex": "\\\\p{N}{1,3}"}/{"type": "Digits", "individual_digits": true}, {"type": "Split", "pattern": {"String": "i"}/' seeds/small.json >seeds/rules.json
quern-tokenizer export -q -t seeds/small.json --format tiktoken -o small.tiktoken
{ cat small.tiktoken; echo ====; cat small.tiktoken.json; } >seeds/small.ranks
cut -d';' -f1 "$QUERN_SOURCE/tests/tokenizer/golden/normal-forms.txt" | head -n 60 | while read -r codes; do for code in $codes; do printf "\U$code"; done; done >seeds/marks

cmake -G Ninja -S "$QUERN_SOURCE" -B asan -DQUERN_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo >log 2>&1 && ninja -C asan fuzz_readers fuzz_records fuzz_tables >>log 2>&1 || { tail -n 40 log; exit 1; }
asan/tests/fuzz_readers "$seconds" "$dice" seeds/* || { echo "QUERN_DICE=$dice"; exit 1; }
asan/tests/fuzz_records "$seconds" "$dice" "$QUERN_SOURCE"/tests/corpus/seeds/* || { echo "QUERN_DICE=$dice"; exit 1; }
asan/tests/fuzz_tables "$seconds" "$dice" "$QUERN_SOURCE"/tests/corpus/seeds-tables/* "$QUERN_SOURCE"/tests/corpus/golden/rows.parquet || { echo "QUERN_DICE=$dice"; exit 1; }

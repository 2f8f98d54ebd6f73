# The reader of fastText's models on mutated ones.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
fuzz_corpus fasttext

# Mojibake, normal form and personal data on mutated text.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
fuzz_corpus text

# Records of crawls and HTTP messages, mutated.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
fuzz_corpus records

# Archives and compressed files of every format that the reader opens, mutated.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
fuzz_corpus archives

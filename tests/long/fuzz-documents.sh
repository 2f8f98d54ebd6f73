# JSON lines, text in any charset, manual pages, source code, mutated: from bytes to documents with every rule on, and the measures beside their twins.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
fuzz_corpus documents

# Rows of CSV, TSV and Parquet (where the build has it), mutated.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
fuzz_build fuzz_tables
fuzz_run fuzz_tables "$QUERN_SOURCE"/tests/corpus/seeds/tables/* "$QUERN_SOURCE/tests/corpus/golden/rows.parquet"

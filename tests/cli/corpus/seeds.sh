# The files that fuzzing begins with, and those that it found to go wrong once: as they are.
"$QUERN_BUILD/tests/fuzz_records" 0 1 "$QUERN_SOURCE"/tests/corpus/seeds/*
"$QUERN_BUILD/tests/fuzz_tables" 0 1 "$QUERN_SOURCE"/tests/corpus/seeds-tables/* "$QUERN_SOURCE"/tests/corpus/golden/rows.parquet

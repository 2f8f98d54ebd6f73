# Rows of Parquet are what the same rows as JSON lines are, but for their ids; the column that cannot be a member is said.
golden=$QUERN_SOURCE/tests/corpus/golden
if quern-corpus check "$golden/rows.parquet" | grep -q '"failed":"no-arrow"'; then
    echo "SKIP: this build has no Arrow"
    exit
fi
for kind in jsonl parquet; do
    quern-corpus check "$golden/rows.$kind" | sed -E 's/^\{"id":"[^"]*(#[0-9]+)"/\1/' >$kind.verdicts
done
diff jsonl.verdicts parquet.verdicts

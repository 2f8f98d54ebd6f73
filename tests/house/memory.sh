# docs/memory.md is what bench/memory-page prints.
cd "$QUERN_SOURCE" || exit 4
diff -u docs/memory.md <(bench/memory-page "$QUERN_BUILD") || { echo "docs/memory.md is not current: run bench/memory-page > docs/memory.md"; exit 1; }

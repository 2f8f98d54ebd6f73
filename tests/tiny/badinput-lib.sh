# Sourced by the tests of bad input: one try, one short record of it; ways to break files.

# What varies from run to run: times, keys, counts of zstd's, clock in front of warnings, progress.
badinput_tidy() {
    grep -av '^{"progress"' | sed -E "s/; [0-9.]+ s, .*$/; TIME/; s/^[0-9:]{8} //; s/\b[0-9a-f]{32}\b/HASH/g; s/\b[0-9a-f]{12}\b/KEY/g
        s/[0-9]+ bytes where its manifest says [0-9]+/N bytes where its manifest says M/"
}

# try NAME COMMAND...: what it says (both streams, tidied, at most eight lines) and its exit code.
try() {
    local code
    echo "--- $1"
    shift
    "$@" >try.out 2>&1 </dev/null
    code=$?
    badinput_tidy <try.out | head -n 8
    echo "exit $code"
}

# refused CODE COMMAND...: one line and this exit code, or says what came instead. For tables of cases.
refused() {
    local code=$1 got
    shift
    "$@" >try.out 2>&1 </dev/null
    got=$?
    badinput_tidy <try.out >try.tidy
    if [ $got -eq "$code" ] && [ "$(wc -l <try.tidy)" -eq 1 ]; then cat try.tidy; else echo "NOT AS IT SHOULD: $* -> exit $got"; head -n 8 try.tidy | cut -c 1-300; fi
}

# flip FILE OFFSET: the lowest bit of one byte.
flip() {
    local byte
    byte=$(od -An -tu1 -j"$2" -N1 "$1")
    printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# looks_whole DIR: says so where a folder has a manifest that it should not have.
looks_whole() { [ ! -e "$1/manifest.json" ] || echo "LOOKS WHOLE: $1"; }

# The folders of a finished tiny run, by what they hold.
badinput_folders() { # FOLDER
    C=$(echo "$1"/run/corpus/*) D=$(dirname "$1"/run/dedup/*/part-00000.jsonl.zst) T=$(dirname "$1"/run/tokenizer/*/tokenizer.json)
    S=$(echo "$1"/run/shards/*) M=$(echo "$1"/run/train/*) E=$(echo "$1"/run/eval/*)
}

# A finished tiny run in the folder `whole`, its recipe R, and the folders of its results.
badinput_whole() {
    . "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
    tiny_setup whole
    quern run whole/recipe.yaml -q >log 2>&1 || { cat log; exit 1; }
    badinput_folders whole
    R=whole/recipe.yaml
}

# A disk that is full, at several moments of every stage: here a limit on the size of files, beyond which every write fails. Exit 4, the file is named, nothing looks whole, and
# the same command without the limit goes on to the bytes of a run that was never disturbed.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
badinput_whole
tiny_setup full
# limited KIB COMMAND...: with no file larger than that; its standard streams are pipes, which have no size.
limited() { (trap '' XFSZ; ulimit -f "$1"; shift; "$@" 2>&1 </dev/null; echo "exit $?") | cat; }
stage() { # NAME KIB...
    local name=$1 kib
    shift
    for kib in "$@"; do
        # The last line but one is the program's; the run's own says where its log is. Pages that do not fit are a warning.
        limited "$kib" quern run full/recipe.yaml -q --stages "$name" | grep -av 'warning: report' | grep -a 'cannot\|^exit' | badinput_tidy |
            sed -E 's/[0-9]+\.partial/N.partial/g; s/step-[0-9]+/step-N/; s/of step [0-9]+/of step N/; s/part-[0-9]+/part-N/' | tail -n 2 | sed "s/^/$name, $kib KiB: /"
        quern verify full/recipe.yaml | tail -n 1
    done
    quern run full/recipe.yaml -q --stages "$name" >log 2>&1 || cat log
}
stage corpus 3 12 40
stage dedup 2 16 30 45
stage tokenizer 2 16 23
stage shards 2 9 20
stage train 30 100 270 500
badinput_folders full
limited 1 quern-eval run --recipe full/recipe.yaml --model "$M" --shards "$S" -t "$T" -o out -q | badinput_tidy
looks_whole out
stage eval 2
tiny_fingerprint whole >whole.sums
tiny_fingerprint full >full.sums
diff whole.sums full.sums && echo "the same bytes"
quern verify full/recipe.yaml | tail -n 1
find full -name '*.partial'
echo "== where not even the run's own files fit"
tiny_setup none
limited 0 quern run none/recipe.yaml -q
find none/run -name manifest.json 2>/dev/null

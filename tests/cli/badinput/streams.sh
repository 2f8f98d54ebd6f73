# Standard output full, closed or left by its reader; standard input as input; output paths that cannot be.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
badinput_whole
echo "The mill stands by the river." >words.txt
echo "== standard output: full, closed, a pipe that nobody reads any more"
for command in "quern --help" "quern status $R" "quern verify $R" "quern run $R --dry-run" "quern-corpus cat $C" "quern-corpus extract words.txt" "quern-corpus plan --recipe $R --json" \
    "quern-corpus --settings" "quern-tokenizer encode -t $T words.txt" "quern-shards cat $S" "quern-shards info $S" "quern-shards stats $S" "quern-shards order $S --recipe $R" \
    "quern-train plan --recipe $R --json" "quern-train schedule --recipe $R" "quern-train report $M --fragment" "quern-eval generate --model $M --prompt hi"; do
    words=$(cut -d ' ' -f 1-2 <<<"$command")
    if [ -w /dev/full ]; then $command >/dev/full 2>err; else $command >&- 2>err; fi
    full=$?
    grep -q 'cannot write\|could not be written' err || { echo "$words says nothing of it:"; badinput_tidy <err; }
    $command >&- 2>err
    closed=$?
    ($command 2>err; echo $? >code) | true
    case $(cat code) in 0|4|141) ;; *) echo "$words: a closed pipe gives $(cat code)"; cat err ;; esac
    echo "$words: full $full, closed $closed"
done
echo "== standard error closed: the work is done all the same"
quern-corpus build words.txt -o quiet --set corpus.gopher.enabled=false 2>&-
echo "exit $?, $(quern-corpus cat quiet | wc -l) document"
echo "== standard input"
take() { echo "--- $*"; "$@" <words.txt 2>&1 | sed -E 's/; [0-9.]+ s.*/; TIME/'; echo "exit ${PIPESTATUS[0]}"; }
[ "$(quern-tokenizer encode -t "$T" <words.txt)" = "$(quern-tokenizer encode -t "$T" words.txt)" ] && echo "encode: as from a file"
take quern-corpus extract -
take quern-tokenizer count - -o words.counts
take quern-dedup pairs -
take quern-corpus build - -o out
take quern-corpus plan --recipe -
take quern run -
echo "== a closed standard input"
quern-corpus extract - <&-
echo "exit $?"
echo "== output paths"
echo mine >file
ln -s nowhere dangling
mkfifo pipe
mkdir folder
stages() { # PATH
    refused "$1" quern-corpus build words.txt -q -o "$2"
    refused "$1" quern-dedup build "$C" -q -o "$2"
    refused "$1" quern-tokenizer train "$D" --recipe $R -q -o "$2"
    refused "$1" quern-shards build "$D" -t "$T" --recipe $R -q -o "$2"
    refused "$1" quern-train run --recipe $R --shards "$S" -t "$T" -q -o "$2"
    refused "$1" quern-eval run --recipe $R --model "$M" --shards "$S" -t "$T" -q -o "$2"
}
for path in file file/below pipe dangling/below /proc/no/such; do stages 4 $path | sed -E 's/^[^:]*: //' | sort -u; done
stages 2 '' | sed -E 's/^[^:]*: //' | sort -u
stages 2 whole | sed -E 's/^[^:]*: //' | sort -u
echo "-- files"
for path in pipe folder file/below nowhere/below; do
    refused 4 quern-tokenizer count words.txt -o $path
    refused 4 quern-tokenizer train words.txt --vocab-size 300 -o $path.json/x.json
    refused 4 quern-corpus report "$C" -o $path
    refused 4 quern-dedup report "$D" -o $path
    refused 4 quern-shards report "$S" -o $path
    refused 4 quern-train report "$M" -o $path
    refused 4 quern-eval report "$E" -o $path
done
cat file
[ -p pipe ] && echo "the pipe is a pipe"
ls

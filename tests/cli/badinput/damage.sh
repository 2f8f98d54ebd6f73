# A finished result that is damaged afterwards: manifests cut, of another version, with hostile names; a file cut, missing, flipped. Exit 3, what is damaged is named, and nothing
# comes out of it that looks whole.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
badinput_whole

echo "== manifests"
manifest() { # NAME: its new manifest.json on standard input
    rm -rf broken out
    cp -r "$C" broken
    cat >broken/manifest.json
    echo "--- $1"
    cmp -s broken/manifest.json "$C/manifest.json" && echo "not changed"
    for command in 'dedup build' 'corpus report' 'tokenizer train'; do refused 3 quern-$command broken -o out/x -q; done | sort -u -k 3
    refused 3 quern-corpus cat broken
    [ ! -e out ] || find out -name manifest.json
}
head -n 40 "$C/manifest.json" | manifest "cut"
: | manifest "empty"
echo '[]' | manifest "a list"
sed 's/"format": 1,/"format": 2,/' "$C/manifest.json" | manifest "of a later version"
sed 's/"key": "..../"key": "0000/' "$C/manifest.json" | manifest "another key"
sed 's/"part_bytes": 20480/"part_bytes": 20481/' "$C/manifest.json" | manifest "another identity"
sed 's|part-00000.jsonl.zst|../../../etc/passwd|' "$C/manifest.json" | manifest "a name that leads out"
sed 's|part-00000.jsonl.zst|.hidden|' "$C/manifest.json" | manifest "a hidden name"
sed 's/"part": 1/"part": 2/' "$C/manifest.json" | manifest "a part twice"
sed '0,/"format": 1,/s//"format": 1, "format": 1,/' "$C/manifest.json" | manifest "a key twice"
sed 's/"held_out": 0.05/"held_out": NaN/' "$C/manifest.json" | manifest "no number"
sed '0,/"bytes": [0-9]*/s//"bytes": -5/' "$C/manifest.json" | manifest "a negative size"
sed '0,/"bytes": [0-9]*/s//"bytes": 99999999999999999999999/' "$C/manifest.json" | manifest "a size without end"
head -c 100000 /dev/zero | tr '\0' '[' | manifest "nested"
printf '{"format": "\377"}' | manifest "no UTF-8"

echo "== files: quern verify, and the stage that reads them"
restore() { rm -rf x out; cp -r whole x; rm -f x/run/lock; }
x() { echo "x/${1#whole/}"; }
verified() { quern verify x/recipe.yaml 2>&1 | grep -a 'damaged' | badinput_tidy; echo "exit ${PIPESTATUS[0]}"; }
# damaged HOW FILE READER...: breaks a file of the copy, verifies, and has the next stage read it.
damaged() {
    local how=$1 file=$2
    shift 2
    restore
    echo "--- $how ${file#*/*/*/*/}"
    file=$(x "$file")
    case $how in
        cut) truncate -s -1 "$file" ;;
        missing) rm "$file" ;;
        flipped) flip "$file" $(($(stat -c %s "$file") / 2)) ;;
    esac
    verified
    [ $# -eq 0 ] || refused 3 "$@" -o out -q | sed -E 's/frame [0-9]+: .*/frame F/; s/: zstd says .*//'
    looks_whole out
}
for how in cut missing flipped; do
    damaged $how "$C/part-00001.jsonl.zst" quern-dedup build "$(x "$C")"
    damaged $how "$D/part-00001.jsonl.zst" quern-shards build "$(x "$D")" -t "$T" --recipe $R
    damaged $how "$S/part-00001.train.zst" quern-train run --shards "$(x "$S")" -t "$T" --recipe $R
    damaged $how "$M/model-00001-of-00001.safetensors" quern-eval run --model "$(x "$M")" --shards "$S" -t "$T" --recipe $R
done
damaged flipped "$D/part-00002.jsonl.zst" quern-tokenizer train "$(x "$D")" --recipe $R
damaged flipped "$T/tokenizer_config.json"
damaged flipped "$E/results.json"
damaged missing "$T/tokenizer.json" quern-shards build "$D" -t "$(x "$T")" --recipe $R
echo "--- held-out sequences, flipped where they are read"
restore
held_out=$(cd "$S" && ls part-?????.heldout.zst | tail -n 1)
flip "$(x "$S")/$held_out" 300
verified
refused 3 quern-eval run --model "$M" --shards "$(x "$S")" -t "$T" --recipe $R -o out -q | sed -E 's/frame [0-9]+: .*/frame F/'
looks_whole out
echo "--- other verbs read the same model"
restore
flip "$(x "$M")/model-00001-of-00001.safetensors" 200000
refused 3 quern-eval generate --model "$(x "$M")" --prompt hi | badinput_tidy
refused 3 quern-eval bpb --model "$(x "$M")" "$R" | badinput_tidy
echo "--- a tokenizer that is another, but whole"
restore
sed -i 's/"id": 2,/"id": 3,/' "$(x "$T")/tokenizer.json"
refused 3 quern-shards build "$D" -t "$(x "$T")" --recipe $R -o out -q

echo "== checkpoints: going on from a damaged one"
last=$(cat "$M/latest")
again() { restore; rm "$(x "$M")/manifest.json"; }
go_on() { refused 3 quern-train run --recipe x/recipe.yaml --shards "$S" -t "$T" -o "$(x "$M")" -q | badinput_tidy; looks_whole "$(x "$M")"; }
again; flip "$(x "$M")/checkpoints/$last/optimizer-00001-of-00001.safetensors" 300000; go_on
refused 3 quern-train verify "$(x "$M")/checkpoints/$last" | badinput_tidy
again; sed -i 's/"step": *[0-9]*/"step": 7/' "$(x "$M")/checkpoints/$last/trainer.json"; go_on
again; truncate -s 100 "$(x "$M")/checkpoints/$last/trainer.json"; go_on
again; rm "$(x "$M")/checkpoints/$last/model-00001-of-00001.safetensors"; go_on
again; echo step-99999999 >"$(x "$M")/latest"; go_on
again; echo ../../../etc >"$(x "$M")/latest"; go_on
again; sed -i '2s/step/pets/' "$(x "$M")/journal"; go_on
echo "--- and from the one before it"
again
ls "$(x "$M")/checkpoints" | head -n 1 >"$(x "$M")/latest"
quern-train run --recipe x/recipe.yaml --shards "$S" -t "$T" -o "$(x "$M")" -q >log 2>&1 || cat log
cmp "$(x "$M")/model-00001-of-00001.safetensors" "$M/model-00001-of-00001.safetensors" && echo "the same model"

echo "== a folder of another kind"
for command in "dedup build $S -o out" "tokenizer train $S -o out2" "train run --recipe $R --shards $D -t $T -o out" "train run --recipe $R --shards $S -t $D -o out" \
    "eval run --recipe $R --model $S --shards $S -t $T -o out" "eval generate --model $S --prompt x" "corpus report $D" "shards report $D" "dedup report $C" "tokenizer report $D"; do
    refused 3 quern-$command | badinput_tidy
done
looks_whole out
looks_whole out2

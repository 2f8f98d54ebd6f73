# quern-shards: documents in, sequences out, by every verb; the reader against zstdcat; resumption; bad input.
# Documents are made here; two files, so two parts and two sources.
make_lines() { # LANGUAGE-OF-WORDS FIRST LAST WORD...
    local i first=$1 last=$2
    shift 2
    for ((i = first; i <= last; i++)); do
        printf '{"text":"%s %d: %s %s.\\n%s"}\n' "$1" "$i" "${*:2}" "${*:1:i % 5 + 1}" "${*:3}"
    done
}
make_lines 1 60 The mill of the miller grinds the corn and the stone turns with the wind >one.jsonl
make_lines 1 40 Die Mühle des Müllers mahlt das Korn und der Stein dreht sich mit dem Wind >two.jsonl
cat >recipe.yaml <<'END'
seed: 5
inputs:
  - {name: english, path: one.jsonl}
  - {name: german, path: two.jsonl, weight: 0.5}
corpus:
  held_out: 0.2
  gopher: {enabled: false}
tokenizer:
  vocab_size: 512
shards:
  sequence_tokens: 32
  frame_bytes: 256
END
quiet() { "$@" >log 2>&1 || { echo "failed: $*"; cat log; }; }
quiet quern-corpus build --recipe recipe.yaml -o corpus
quiet quern-tokenizer train corpus --recipe recipe.yaml -o tokenizer

echo "== build"
quern-shards plan --recipe recipe.yaml --json
quern-shards plan corpus -t tokenizer --recipe recipe.yaml | sed 's/key .*/key KEY/'
quern-shards build corpus -t tokenizer --recipe recipe.yaml -o shards -q 2>&1 | sed 's/; [0-9.]* s, .*//; s/(.* [kM]*B)/(BYTES)/; s/out [0-9].*B/out BYTES/'
ls shards
echo "== a second build does nothing"
quern-shards build corpus -t tokenizer --recipe recipe.yaml -o shards 2>&1 | sed 's/^[0-9:]* //'
echo "== the tokenizer's file is the tokenizer's folder; so are more threads, and tasks"
quiet quern-shards build corpus -t tokenizer/tokenizer.json --recipe recipe.yaml -o again -j 2
for task in 1/2 0/2; do quiet quern-shards build corpus -t tokenizer --recipe recipe.yaml -o tasks --task $task --step build; done
[ -e tasks/manifest.json ] && echo "a manifest before its time"
quiet quern-shards build corpus -t tokenizer --recipe recipe.yaml -o tasks
for other in again tasks; do diff -rq --exclude=provenance.json shards $other && echo "$other: same"; done

echo "== verify"
quern-shards verify shards | sed 's/[0-9]* sequences, [0-9]* tokens/S sequences, N tokens/'
for file in shards/*.zst; do quern-shards verify $file | sed 's/[0-9]* sequences, [0-9]* tokens/S sequences, N tokens/'; done

echo "== cat is zstdcat, cut"
for file in shards/*.zst; do
    zstd -dcq "$file" | od -An -v -t u2 -w2 | awk '{ids[NR - 1] = $1} END {for (i = 0; i + 32 < NR; i += 32) {line = ids[i]; for (j = 1; j <= 32; j++) line = line " " ids[i + j]; print line}}' >plain
    quern-shards cat "$file" | cmp - plain && [ -s plain ] && echo "$file: same"
done
cat <(quern-shards cat shards/part-00000.train.zst) <(quern-shards cat shards/part-00001.train.zst) | cmp - <(quern-shards cat shards) && echo "folder: same"
quern-shards cat shards --sequence 3 | cmp - <(quern-shards cat shards | sed -n 4p) && echo "--sequence: same"
[ "$(quern-shards cat shards --sequence 3 --text -t tokenizer)" = "$(quern-shards cat shards --sequence 3 | tr '\n' ' ' | quern-tokenizer decode -t tokenizer)" ] && echo "--text: same"
quern-shards cat shards --split heldout --json | head -n 1 | grep -o '"sequence":0,"source":"english","ids":\['

echo "== every document is in one split, whole"
quern-shards stats shards | awk -F'\t' '{documents[$2] += $4; bytes[$2] += $6} END {for (source in documents) print source, documents[source]}' | sort
quern-corpus cat corpus | wc -l

echo "== order: weights 1 and 0.5"
count=$(quern-shards info shards --json | sed 's/.*"train":{\([^}]*\)}.*/\1/; s/.*"sequences":\([0-9]*\).*/\1/')
german=$(quern-shards cat shards --json | grep -c '"source":"german"')
pass=$((count - german + (german + 1) / 2))
quern-shards order shards --recipe recipe.yaml --count $pass >order
cut -f 3,4 order | sort | uniq -c | awk -v e=$((count - german)) -v g=$(((german + 1) / 2)) '{print $2, "epoch", $3, $1 == ($2 == "english" ? e : g) ? "as weighted" : "not as weighted"}'
cut -f 2 order | sort | uniq -d | wc -l
quern-shards order shards --recipe recipe.yaml --from 7 --count 3 | cmp - <(sed -n 8,10p order) && echo "from 7: same"

echo "== trace: tokens of a sequence by document"
quern-shards trace shards --recipe recipe.yaml --position 7 --count 2 | awk -F'\t' '{sum[$1] += $4} END {for (p in sum) print "position", p, sum[p], "tokens"}' | sort
quern-shards trace shards --sequence 0 | head -n 1 | cut -f 1-3,5

echo "== export"
quiet quern-shards export shards --format megatron -o megatron
ls megatron
cmp megatron/train.bin <(zstd -dcq shards/part-00000.train.zst shards/part-00001.train.zst) && echo "ids: same"
head -c 9 megatron/train.idx | od -An -c

echo "== report"
quiet quern-shards report shards -t tokenizer -o report.html
grep -c '<svg' report.html
quern-shards report shards --fragment | head -c 1 >/dev/null && echo "fragment"

echo "== refused"
quern-shards build corpus -t tokenizer --recipe recipe.yaml -o shards --set shards.sequence_tokens=64; echo "exit $?"
quern-shards build corpus -t tokenizer --recipe recipe.yaml -o x --set shards.sequence_token=64; echo "exit $?"
quern-shards build corpus -t tokenizer --recipe recipe.yaml -o x --set shards.sequence_tokens=0; echo "exit $?"
quern-shards build corpus -t tokenizer --recipe recipe.yaml; echo "exit $?"
quern-shards build corpus -o x; echo "exit $?"
quern-shards build nowhere -t tokenizer -o x; echo "exit $?"
quern-shards cat shards --sequence 100000 2>&1 | sed 's/last one is .*/last one is N/'
quern-shards cat shards --text; echo "exit $?"
quern-shards info recipe.yaml; echo "exit $?"
cp shards/part-00000.train.zst damaged.zst
printf '\xff' | dd of=damaged.zst bs=1 seek=400 conv=notrunc status=none
quern-shards verify damaged.zst 2>&1 | sed 's/frame [0-9]*: .*/frame F/'; echo "exit ${PIPESTATUS[0]}"
head -c 1000 shards/part-00000.train.zst >cut.zst
quern-shards verify cut.zst; echo "exit $?"
[ -e x ] && ls x

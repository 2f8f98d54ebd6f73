# The tokenizer: encoding and training beside the public tools, run in turn; texts that an encoder may be slow on; two threads, dropout, load. The peers' Python environment is made in the
# build folder (tests/peers/environment), or named by QUERN_PEERS. About twelve minutes on two cores, a quarter of them the peer's training.
#
#   QUERN_ONLY     a pattern (extended): only the figures whose names match
export QUERN_SPECIAL_TOKENS=$source_folder/tests/tokenizer/golden/tokenizer.json
python=$("$source_folder/tests/peers/environment" "$build/peers/environment" tokenizer 2>no-peers) || { cat no-peers >&2; python=false; }
# The peers' command under a name that is the same on every machine.
mkdir -p bin
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$python" "$source_folder/bench/peers/tokenizer_peer.py" >bin/tokenizer-peer
chmod +x bin/tokenizer-peer
export PATH="$PWD/bin:$PATH"
note '`tokenizer-peer` is `bench/peers/tokenizer_peer.py` with the Python of `tests/peers/environment`; `quern-bench-texts` makes the texts that an encoder may be slow on.'
note

# What is encoded with: the real vocabularies, or one of our own on the demonstration's text.
vocabulary=deepseek.json names=(en zh-Hans ja th ko ru mul)
if [ -n "${QUERN_DATA:-}" ]; then
    describe 'The tokenizer' "documents in 35 languages, $(ls text | wc -l) files; the vocabularies of DeepSeek-V3 and Qwen2.5"
    for name in deepseek qwen2_5; do [ -s $name.json ] || zstd -dcq "$QUERN_DATA/tokenizers/$name.tokenizer.json.zst" >$name.json; done
else
    describe 'The tokenizer' "the demonstration's text, with a vocabulary of 32,000 of its own"
    vocabulary=own.json names=()
    [ -s own.json ] || quern-tokenizer train "${texts[@]}" -o own.json --vocab-size 32000 -q
fi
files='text/*' worst_bytes=100000000 vocab_size=128000 sample_mb=4
if [ "$quick" ]; then
    files='text/ar.jsonl.zst text/te.jsonl.zst' worst_bytes=2000000 vocab_size=4000 sample_mb=0.3
    [ -n "${QUERN_DATA:-}" ] && names=(ar) || files=${texts[0]}
fi

# one NAME ...: `figure`, unless QUERN_ONLY is about others. A figure that fails is said, and the others follow.
one() {
    [[ $1 =~ ${QUERN_ONLY:-.} ]] || return 0
    figure "$@" || { note "- Not measured: $2."; echo "bench: $1 failed" >&2; }
}

# encoding NAME WHAT VOCABULARY THREADS FILES OPTIONS...: the rate of a first pass. FILES is for the shell: a pattern, or several.
encoding() {
    local name=$1 what=$2 vocabulary=$3 threads=$4 files=$5
    shift 5
    one "$name" "$what" bytes --reported mb_per_s_first --scale 1e6 -j "$threads" "$@" \
        -- sh -c "exec quern-tokenizer bench -t $vocabulary -j $threads $files"
}

# beside PEER NAME VOCABULARY MB FILES: the options of `encoding` for a public tool on one thread, in the list `compared`.
beside() {
    compared=(--peer "$2" --peer-command "tokenizer-peer encode $1 $3 1 $4 $5" --peer-reported per_second)
}

# wanted RATIO [MEMORY]: adds what the issue asks for, unless this is only to see whether everything runs.
wanted() {
    [ "$quick" ] || compared+=(--wanted "$1" ${2:+--wanted-memory "$2"})
}

for name in "${names[@]}"; do
    beside gigatoken 'gigatoken 0.10' $vocabulary 0 "text/$name.jsonl.zst"
    case $name in en) wanted 1.2 ;; zh-Hans|ja|th) wanted 4 ;; esac
    encoding "encode.$name" "encode, first pass: $name" $vocabulary 1 "text/$name.jsonl.zst" "${compared[@]}"
done
beside gigatoken 'gigatoken 0.10' $vocabulary 0 "$files"
wanted 3
encoding encode.all 'encode, first pass: all' $vocabulary 1 "$files" "${compared[@]}"
beside tokenizers 'tokenizers 0.23.3' $vocabulary $sample_mb "$files"
encoding encode.sample "encode, first pass: all; the peer on the first $sample_mb MB" $vocabulary 1 "$files" --peer-runs 1 "${compared[@]}"
compared=(--peer 'quern, one thread' --peer-command "quern-tokenizer bench -t $vocabulary -j 1 $files" --peer-reported mb_per_s_first --peer-scale 1e6)
wanted 1.8
encoding encode.two 'encode, first pass: all, two threads' $vocabulary 2 "$files" "${compared[@]}"
# For comparison, in the next minute: what two threads of this machine are to one in a loop that waits for nothing.
one processors.two 'the processors alone: a loop of sums, two threads' sums --reported per_second -j 2 --peer 'one thread' \
    --peer-command 'quern-bench-processors 1' --peer-reported per_second -- quern-bench-processors 2

compared=(--peer 'quern, without' --peer-command "quern-tokenizer bench -t $vocabulary -j 1 $files" --peer-reported mb_per_s_first --peer-scale 1e6)
one encode.dropout 'encode, first pass: all, BPE dropout of 0.1' bytes --reported mb_per_s_first --scale 1e6 -j 1 --runs 1 "${compared[@]}" \
    -- sh -c "exec quern-tokenizer bench -t $vocabulary -j 1 --dropout 0.1 $files"

if [ -e qwen2_5.json ]; then
    for name in "${names[0]}" ${names[1]:+"${names[1]}"} all; do
        [ "$name" = all ] && these=$files || these=text/$name.jsonl.zst
        beside gigatoken 'gigatoken 0.10' qwen2_5.json 0 "$these"
        encoding "qwen.$name" "Qwen2.5, encode, first pass: $name" qwen2_5.json 1 "$these" "${compared[@]}"
    done
    for peer in quicktok tiktoken; do
        [ $peer = quicktok ] && about='quicktok 0.4, without NFC' || about='tiktoken 0.14, without NFC'
        beside $peer "$about" qwen2_5.json $((quick ? 1 : 20)) "text/${names[0]}.jsonl.zst"
        encoding "qwen.$peer" "Qwen2.5, encode, first pass: ${names[0]}; the peer on at most 20 MB" qwen2_5.json 1 "text/${names[0]}.jsonl.zst" --peer-runs 1 "${compared[@]}"
    done
fi

# Whole programs: files in, ids out.
amount=$(quern-tokenizer bench -t $vocabulary -j 2 $files | sed 's/.*"bytes":\([0-9]*\).*/\1/')
one encode.command 'encode: the command, from files of zstd to ids' bytes --amount "$amount" -j 2 -- sh -c "exec quern-tokenizer encode -t $vocabulary $files --binary -q -j 2"
[ -s ids ] || quern-tokenizer encode -t $vocabulary $files --binary -q >ids
one decode.command 'decode: the command, ids to text' bytes --amount "$amount" -j 1 -- quern-tokenizer decode -t $vocabulary ids --binary
printf hi >hi.txt
one load 'load the vocabulary and encode a word' loads --amount 1 -j 1 --peer 'tokenizers 0.23.3, without the start of Python' \
    --peer-command "tokenizer-peer load $vocabulary" --peer-reported per_second -- quern-tokenizer encode -t $vocabulary hi.txt -q

# Texts that an encoder may be slow on, each beside ordinary text in the same minute: at least a fifth of its rate.
compared=(--peer 'ordinary text' --peer-command "quern-tokenizer bench -t $vocabulary -j 1 $files" --peer-reported mb_per_s_first --peer-scale 1e6)
wanted 0.2
for kind in byte fibonacci letters base64 cjk thai hangul digits spaces newlines noise; do
    [[ worst.$kind =~ ${QUERN_ONLY:-.} ]] && quern-bench-texts $kind $worst_bytes >$kind.txt
    encoding "worst.$kind" "encode, one text of $((worst_bytes / 1000000)) MB: $kind" $vocabulary 1 $kind.txt --runs 1 "${compared[@]}"
    [ $kind = letters ] || [ $kind = byte ] || [ $kind = thai ] || rm -f $kind.txt
done
if [ -e qwen2_5.json ] && [[ worst.qwen-marks =~ ${QUERN_ONLY:-.} ]]; then
    quern-bench-texts marks $((worst_bytes / 10)) >marks.txt
    encoding worst.qwen-marks "Qwen2.5 (NFC), encode, one text of $((worst_bytes / 10000000)) MB: marks in the wrong order" qwen2_5.json 1 marks.txt --runs 1 "${compared[@]}"
fi

# Training.
compared=(--peer 'tokenizers 0.23.3' --peer-runs 1 --peer-command "tokenizer-peer train $vocab_size 2 peer-vocabulary.json $files" --peer-reported per_second)
wanted 12 0.25
one train.all "train: $vocab_size tokens, from all texts" bytes --amount "$amount" -j 2 "${compared[@]}" \
    -- sh -c "exec quern-tokenizer train $files -o trained.json --vocab-size $vocab_size -q -j 2"
if [ -s peer-vocabulary.json ] && [ -s trained.json ]; then
    if tokenizer-peer same trained.json peer-vocabulary.json; then same='are equal to'; else same='DIFFER from'; fi
    note "- Vocabulary and merges of the training of $vocab_size tokens $same those of tokenizers 0.23.3 in the same run."
fi
quern-tokenizer train --help | grep -q -- --memory && bound=(--memory 512M) || bound=()
if [ ${#bound[@]} -gt 0 ]; then
    unbounded=$(rate_of train.all)
    one train.bounded "train: the same with --memory 512M" bytes --amount "$amount" -j 2 --runs 1 --peer 'quern without a bound' --peer-per-second "${unbounded:-0}" \
        -- sh -c "exec quern-tokenizer train $files -o bounded.json --vocab-size $vocab_size -q -j 2 ${bound[*]}"
    if [ -s bounded.json ] && [ -s trained.json ]; then
        cmp -s trained.json bounded.json && same='the same bytes' || same='OTHER BYTES'
        note "- With \`--memory 512M\` the result is $same."
    fi
fi
for kind in byte letters thai; do
    [ -s $kind.txt ] || continue
    one "train.$kind" "train: 2,000 tokens, from one text of $((worst_bytes / 1000000)) MB: $kind" bytes --amount $worst_bytes -j 2 --runs 1 \
        -- quern-tokenizer train $kind.txt -o worst.json --vocab-size 2000 -q -j 2
done

# What the comparisons of `make check-peers` found last, where they ran in this build.
for found in "$build/peers/tokenizer.md" "$source_folder/build-check/peers/tokenizer.md"; do
    [ ! -s "$found" ] || { note; cat "$found" >>notes; break; }
done

# The ablations' script on a few kilobytes, some steps each: the runs share stages 1 to 4, a run that is there is not made again, and the page has what they wrote.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
mkdir texts
cp input/lines.jsonl texts/
export QUERN_PAGES=$PWD/pages QUERN_SET='tokenizer.vocab_size=640 shards.sequence_tokens=64 corpus.held_out=0.1 train.tokens=2560 train.micro_batch=4 train.batch.sequences=4 eval.sequences_max=4'
ablations() { "$QUERN_SOURCE/recipes/ablations/run" ablation-nano texts run "$@" >out 2>&1 || { cat out; return 1; }; }
ablations loss-free batch
ls pages/ablations run
quern-train inspect "$(echo run/batch/train/*)" >/dev/null && echo 'a model'
sed -E 's/[0-9]+\.[0-9]{2,}/N/g' pages/ablations.md | sed -n '/^## /,$p'
grep -c '<path class="l"' pages/ablations/ablation-nano-loss.svg
ablations mtp
cut -d, -f1,2 pages/ablations/ablation-nano.json
grep -c '"event":"started"' run/batch/train/*/journal
"$QUERN_SOURCE/recipes/ablations/run" ablation-nano texts run nothing 2>&1 | tail -n 1
"$QUERN_SOURCE/recipes/ablations/run" hour texts run 2>&1 | sed -n '1s/:.*//p'
mkdir both
sed -n '1~2p' texts/lines.jsonl >both/odd.jsonl
sed -n '2~2p' texts/lines.jsonl >both/even.jsonl
QUERN_SET="$QUERN_SET train.batch.from=4 eval.prompts=[]" "$QUERN_SOURCE/recipes/ablations/run" hour-nano both hours >out 2>&1 || cat out
sed -E 's/[0-9]+(\.[0-9]{2,})? /N /g' pages/ablations.md | sed -n '/^Bits per byte/,/^## /p'

# A longer schedule under `quern run`: the finished training is gone on with and what takes from it is built anew; one that cannot act any more is refused.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
constant="--set train.rate.segments=[]"
quern run recipe.yaml $constant -q 2>out || cat out
quern run recipe.yaml $constant --set train.tokens=50K 2>&1 | grep -o '^[a-z]*: \(building\|going on with\)'
quern run recipe.yaml $constant --set train.tokens=50K 2>&1 | grep -o 'nothing to do'
quern run recipe.yaml $constant --set train.tokens=50K --set train.rate.peak=0.001 -q >out 2>&1
echo "exit $?"; grep -o 'trained to its end, 5[0-9]* tokens, under another schedule' out
ls run/train | wc -l
ls run/eval | wc -l

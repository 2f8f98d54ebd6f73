# A setting tagged schedule does not make another result: the finished one is gone on with, and what takes from it is built anew.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
{
    quern run mill.yaml -q --set train.rounds=2 2>/dev/null
    echo "== the same"; quern run mill.yaml --set train.rounds=2
    echo "== further"; quern status mill.yaml --set train.rounds=4 | tail -n 2
    quern run mill.yaml --set train.rounds=4
    ls run/train
    echo "== and nothing more"; quern run mill.yaml --set train.rounds=4
} 2>&1 | steady

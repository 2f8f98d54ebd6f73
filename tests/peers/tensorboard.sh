# The event files of a training run, read by the real tensorboard: every number of metrics.jsonl at its step, once, also behind a kill and a restart. Needs Python, and the network once for
# `pip install`, or QUERN_PEERS_TENSORBOARD.
folder=$QUERN_BUILD/peers
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" tensorboard 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
set -e
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup .
recipe="--recipe recipe.yaml --set train.watch.experts_every=30"
quern-corpus build $recipe -o corpus -q >out 2>&1
quern-tokenizer train corpus $recipe -o tokenizer -q >out 2>&1
quern-shards build corpus -t tokenizer $recipe -o shards -q >out 2>&1
quern-train run $recipe --shards shards -t tokenizer -o whole -q >out 2>&1
for steps in 20 50; do
    quern-train run $recipe --shards shards -t tokenizer -o killed -q --set train.checkpoint.every=7 >out 2>&1 & pid=$!
    until [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -ge $steps ]; do kill -0 $pid 2>/dev/null || break; done
    kill -KILL $pid 2>/dev/null || true
    wait $pid || true
done
quern-train run $recipe --shards shards -t tokenizer -o killed -q >out 2>&1
"$python" "$QUERN_SOURCE/tests/peers/tensorboard_peer.py" "$QUERN_SOURCE/tests/train/golden/events.golden" whole killed

# The event files of a training run, read by the real tensorboard: every number of metrics.jsonl at its step, once, also behind a kill and a restart. Needs Python, and the network once for
# `pip install`, or QUERN_PEERS_TENSORBOARD.
folder=$QUERN_BUILD/peers
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" tensorboard 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
set -e
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.watch.experts_every=30
tiny_train whole
for steps in 20 50; do tiny_train_killed killed $steps --set train.checkpoint.every=7; done
tiny_train killed
"$python" "$QUERN_SOURCE/tests/peers/tensorboard_peer.py" "$QUERN_SOURCE/tests/train/golden/events.golden" whole killed

# quern-train against transformers' DeepseekV3ForCausalLM: fourteen configurations, forward, backward and ten steps. Needs Python, and the network once for `pip install` (several GB), or
# QUERN_PEERS_TRAIN; and QUERN_PEER_SCRIPTS, the folder of train_golden.py.
[ -f "${QUERN_PEER_SCRIPTS:-}/train_golden.py" ] || { echo "SKIP: QUERN_PEER_SCRIPTS names no folder with train_golden.py"; exit 0; }
folder=$QUERN_BUILD/peers
mkdir -p "$folder"
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" train 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
exec "$python" "$QUERN_SOURCE/tests/peers/train_configurations.py" "$QUERN_BUILD/tests/golden_compare" "$QUERN_PEER_SCRIPTS/train_golden.py"

# A model that quern-train run made and export wrote, in transformers; and published types of weights, made by torch, in quern. Needs Python, and the network once for `pip install` (several GB),
# or QUERN_PEERS_TRAIN.
folder=$QUERN_BUILD/peers
mkdir -p "$folder"
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" train 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
exec "$python" "$QUERN_SOURCE/tests/peers/train_export.py" "$QUERN_BUILD/tests/tensor_floats"

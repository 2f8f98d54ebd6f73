# Our reader of fastText's models against fastText: models of every kind, trained here on QUERN_DATA, and those named by QUERN_FASTTEXT_MODELS (lid.176.ftz, ...). Needs Python, and the network
# once for `pip install`, or QUERN_PEERS_CORPUS.
[ -n "${QUERN_DATA:-}" ] || { echo "SKIP: QUERN_DATA names no folder with text/*.jsonl.zst"; exit 0; }
folder=$QUERN_BUILD/peers
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" corpus 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
exec "$python" "$QUERN_SOURCE/tests/peers/fasttext_peer.py" "$QUERN_BUILD/tests/fasttext_predictions" "$QUERN_DATA/text" ${QUERN_FASTTEXT_MODELS:-}

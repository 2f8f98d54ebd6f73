# quern's built-in pretokenizers against Hugging Face's and tiktoken's, piece by piece, on random texts. Needs what tests/peers/tokenizer.sh needs.
folder=$QUERN_BUILD/peers
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" tokenizer 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
exec "$python" "$QUERN_SOURCE/tests/peers/pretokenizers.py" "$QUERN_BUILD/tests/pieces_of" ${QUERN_PEERS_LONG:+400000}

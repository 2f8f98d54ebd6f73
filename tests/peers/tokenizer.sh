# quern's tokenizer against Hugging Face's: pieces, ids and merges. Needs Python, and the network once for `pip install`, or QUERN_PEERS. QUERN_PEERS_LONG=1 (about a quarter of an hour the first
# time): a million random strings, all of data/text, a vocabulary of 128,000. What is found is kept in $QUERN_BUILD/peers/tokenizer.json.
folder=$QUERN_BUILD/peers
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" tokenizer 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
exec "$python" "$QUERN_SOURCE/tests/peers/tokenizer_hf.py" --keep "$folder" ${QUERN_PEERS_LONG:+--long}

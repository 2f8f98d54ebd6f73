# quern's tokenizer against Hugging Face's: pieces, ids and merges. Needs Python, and the network once for `pip install`.
set -e
env=$QUERN_BUILD/peers/tokenizer
if ! [ -x "$env/bin/python" ] || ! "$env/bin/python" -c 'import tokenizers, zstandard' 2>/dev/null; then
    { python3 -m venv "$env" && "$env/bin/pip" -q install 'tokenizers==0.23.3' zstandard; } >/dev/null 2>&1 ||
        { echo "SKIP: no Python environment with tokenizers 0.23.3 can be made here"; exit 0; }
fi
exec "$env/bin/python" "$QUERN_SOURCE/tests/peers/tokenizer_hf.py" ${QUERN_PEERS_LONG:+--long}

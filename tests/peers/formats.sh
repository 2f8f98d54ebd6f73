# What quern reads and writes for other tools: random tokenizer.json files and all normal forms against Hugging Face's library, .tiktoken files against tiktoken, exported folders against
# transformers. QUERN_PEERS_LONG=1: ten times as many files.
folder=$QUERN_BUILD/peers
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" tokenizer 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
export RUST_BACKTRACE=0
set -e
cd "$QUERN_SOURCE/tests/peers"
"$python" normalization_hf.py
"$python" pipelines_hf.py ${QUERN_PEERS_LONG:+3000} 2>/dev/null
"$python" tiktoken_peer.py ${QUERN_PEERS_LONG:+2000}
"$python" transformers_peer.py 2>/dev/null

# Hostile inputs through the real program: bounded time and memory, every document accounted for (tests/tiny/bombs.py). QUERN_BOMBS: a pattern, only these.
command -v python3 >/dev/null || { echo "SKIP: no python3"; exit 0; }
python3 "$QUERN_SOURCE/tests/tiny/bombs.py" "${QUERN_BOMBS-}"

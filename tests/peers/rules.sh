# quern's families of rules against datatrove's filters, in English and, by FineWeb-2's bounds, in other languages. Needs Python, and the network once for `pip install`, or QUERN_PEERS_CORPUS; and QUERN_DATA. QUERN_PEERS_LONG=1: every document.
[ -n "${QUERN_DATA:-}" ] || { echo "SKIP: QUERN_DATA names no folder of real texts"; exit 0; }
folder=$QUERN_BUILD/peers
python=$("$QUERN_SOURCE/tests/peers/environment" "$folder/environment" corpus 2>why) || { echo "SKIP: $(cat why)"; exit 0; }
"$python" "$QUERN_SOURCE/tests/peers/verdicts_datatrove.py" ${QUERN_PEERS_LONG:+--every} && exec "$python" "$QUERN_SOURCE/tests/peers/verdicts_languages.py" ${QUERN_PEERS_LONG:+--every}

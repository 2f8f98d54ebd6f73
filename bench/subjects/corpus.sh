# The corpus: FineWeb's pipeline, crawls and pages beside the public tools, run in turn, one core each; every language on all cores. The peers' Python environments are made in the build folder
# (tests/peers/environment), or named by QUERN_PEERS_CORPUS and QUERN_PEERS_HTML. Real data (QUERN_DATA) only: without it the demonstration's text is cleaned and nothing compared.
#
#   QUERN_ONLY     a pattern (extended): only the figures whose names match
mkdir -p bin
for group in corpus html; do
    python=$("$source_folder/tests/peers/environment" "$build/peers/environment" $group 2>no-peers) || { cat no-peers >&2; python=false; }
    for script in datatrove:corpus warc:html html:html; do
        [ "${script#*:}" = $group ] || continue
        printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$python" "$source_folder/bench/peers/${script%:*}_peer.py" >"bin/${script%:*}-peer"
        chmod +x "bin/${script%:*}-peer"
    done
done
export PATH="$PWD/bin:$PATH"
note '`datatrove-peer`, `warc-peer` and `html-peer` are the scripts of `bench/peers` with the Python of `tests/peers/environment`.'
note

one() {
    [[ $1 =~ ${QUERN_ONLY:-.} ]] || return 0
    figure "$@" || { note "- Not measured: $2."; echo "bench: $1 failed" >&2; }
}
wanted() {
    [ "$quick" ] || compared+=(--wanted "$1")
}
# text_bytes FILE: the bytes of the texts in it, which is what the rates are of.
text_bytes() {
    zstd -dcq "$1" | python3 -c 'import json, sys; print(sum(len(json.loads(line)["text"].encode()) for line in sys.stdin))'
}
build_of() { # OPTIONS...: a build into an empty folder
    echo "rm -rf out && quern-corpus build -o out -q $*"
}

if [ -z "${QUERN_DATA:-}" ]; then
    describe 'The corpus' "the demonstration's text"
    one corpus.all 'all files, standard rules' bytes --amount-of out/manifest.json:accounting.in.bytes -- sh -c "$(build_of "${texts[@]}")"
    return 0
fi
describe 'The corpus' 'English documentation and novels, crawls, news pages, documents in 35 languages'

# FineWeb's pipeline. Every fifth document: the peer takes a minute for them.
[ -s english.jsonl.zst ] || zstd -dcq text/en.jsonl.zst | awk "NR % ${quick:+20}5 == 1" | zstd -q -o english.jsonl.zst
compared=(--peer 'datatrove 0.9' --peer-command 'datatrove-peer chain english.jsonl.zst peer 2>/dev/null' --peer-reported per_second)
wanted 100
one corpus.fineweb "FineWeb's pipeline on English JSON lines, zstd in and out" bytes -j 1 --amount "$(text_bytes english.jsonl.zst)" "${compared[@]}" \
    -- sh -c "$(build_of -j 1 english.jsonl.zst --set corpus.profile=fineweb)"
# Documents of up to 20 kB, as most of the web's are: what is done once a document weighs more, and so does what the languages take.
[ -s short.jsonl.zst ] || zstd -dcq text/en.jsonl.zst | awk 'length($0) < 20000' | awk "NR % ${quick:+20}5 == 1" | zstd -q -o short.jsonl.zst
compared=(--peer 'datatrove 0.9' --peer-command 'datatrove-peer chain short.jsonl.zst peer 2>/dev/null' --peer-reported per_second)
wanted 100
one corpus.fineweb.short "FineWeb's pipeline, documents of less than 20 kB" bytes -j 1 --amount "$(text_bytes short.jsonl.zst)" "${compared[@]}" \
    -- sh -c "$(build_of -j 1 short.jsonl.zst --set corpus.profile=fineweb)"
one corpus.fineweb.all 'the same on all English' bytes -j 1 --amount "$(text_bytes text/en.jsonl.zst)" -- sh -c "$(build_of -j 1 text/en.jsonl.zst --set corpus.profile=fineweb)"

# Crawls: a file of 2.5 MB under eight names, so that starting does not count.
mkdir -p crawl
for i in 1 2 3 4 5 6 7 8; do cp -u "$QUERN_DATA/warc/example.warc.gz" crawl/$i.warc.gz; done
compared=(--peer 'FastWARC 2.0, Resiliparse 2.0' --peer-command 'warc-peer crawl/*.warc.gz' --peer-reported per_second)
wanted 3
one corpus.warc 'WARC.gz to documents: bytes of file' bytes -j 1 --amount "$(cat crawl/*.warc.gz | wc -c)" "${compared[@]}" -- sh -c "$(build_of -j 1 crawl)"

# Where the time of the two goes.
phases() { # WHAT OPTIONS...
    echo "| $1 | in | time | share | rate |"; echo '|---|---|---|---|---|'
    quern-corpus phases "${@:2}" | python3 -c '
import json, sys
for name, phase in json.load(sys.stdin)["phases"].items():
    print("| {} | {:.1f} MB | {:.3f} s | {:.1%} | {:.0f} MB/s |".format(name, phase["bytes"] / 1e6, phase["seconds"], phase["share"], phase["mb_per_s"]))'
    echo
}
{ note '## Where the time goes'; note; phases "FineWeb's pipeline" english.jsonl.zst --set corpus.profile=fineweb; phases 'crawls' crawl; } >>notes

# Pages.
[ -d pages ] || { mkdir pages && zstd -dcq "$QUERN_DATA/html/article-extraction-benchmark.tar.zst" | tar -x -C pages; }
folder=$(dirname "$(find pages -name '*.html' | head -n 1)")
for peer in resiliparse trafilatura; do
    compared=(--peer "$peer" --peer-command "html-peer speed $peer $folder" --peer-reported per_second)
    one corpus.html.$peer "main text of HTML, beside $peer" bytes -j 1 --reported mb_per_s --scale 1e6 "${compared[@]}" -- sh -c "quern-corpus bench $folder/*.html"
done
[ "$quick" ] || { note '## What extraction gets right'; note; html-peer "$folder" "$folder/output/go_trafilatura.json" 2>/dev/null | sed 's/^/    /' >>notes; note; }

# Verdicts: every English document takes datatrove some minutes.
if [ ! "$quick" ]; then
    [ -s verdicts ] || QUERN_SOURCE=$source_folder "${QUERN_PEERS_CORPUS:-$build/peers/environment-corpus}/bin/python" "$source_folder/tests/peers/verdicts_datatrove.py" --every >verdicts 2>/dev/null || true
    { note '## Verdicts beside datatrove'; note; sed 's/^/    /' verdicts >>notes; note; }
fi

one corpus.all 'every language, standard rules' bytes --amount-of out/manifest.json:accounting.in.bytes -- sh -c "$(build_of text)"

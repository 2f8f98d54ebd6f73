# extract, check and report.
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
text="$words $words $words $words"
printf '<html><head><title>The mill</title></head><body><nav><a href=/>Home page</a></nav><article><h1>The mill</h1><h2>Wheel</h2><p>%s</p><pre>a\n  b</pre></article><footer>Rights</footer></body></html>' "$text" >a.html
printf '<meta charset=iso-8859-1><p>caf\xe9' >b.html
echo "--- extract"
quern-corpus extract a.html | sed 's/The mill stands.*/.../'
quern-corpus extract a.html --all --markdown | sed 's/The mill stands.*/.../'
quern-corpus extract - <b.html
quern-corpus extract a.html b.html | sed 's/The mill stands.*/.../'
quern-corpus extract --json a.html b.html | sed 's/The mill stands[^"\\]*/.../g'
echo "--- check"
printf '{"id": "u1", "text": "%s"}\n{"id": "u2", "text": "few words"}\nno\n' "$text" >l.jsonl
quern-corpus check l.jsonl --set corpus.gopher.words_max=70
echo "--- phases"
mkdir tmp
TMPDIR=tmp quern-corpus phases a.html b.html l.jsonl | tr '{' '\n' | sed -E 's/"(share|seconds|mb_per_s|peak_bytes)":[0-9.]+/"\1":N/g'
ls tmp
quern-corpus phases nowhere.html
echo "--- report"
quern-corpus build a.html b.html l.jsonl -o out 2>/dev/null
quern-corpus report out
quern-corpus report out -o page.html
cmp out/report.html page.html
for what in 'documents in' 'gopher.words' 'failed: json' 'few words'; do grep -c -- "$what" page.html | sed "s/^[1-9][0-9]*$/has '$what'/"; done
quern-corpus report out --fragment | grep -c '<html' 
quern-corpus build a.html b.html l.jsonl -o out

# Hostile inputs of the corpus: a counted reason each, in bounded time and memory, and nothing is ever written elsewhere.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
text="$words $words $words $words"
# 1 GiB of address space is far below what the bombs unpack to.
build() { (ulimit -v 1500000; try "$1" quern-corpus build "${@:3}" -o "$2") | sed -E 's/over [0-9]+ bytes come out of [0-9]+/over N bytes come out of M/'; }
ids() { quern-corpus cat "$1" | sed -E 's/","text".*//; s/^\{"id":"//'; }

head -c 1G /dev/zero | zstd -q -1 >zeros.jsonl.zst
build "a bomb: 1 GiB of zeros as zstd" b1 zeros.jsonl.zst
head -c 300M /dev/zero | tr '\0' ' ' | gzip -1 >zeros.html.gz
build "a bomb: 300 MB of blanks as gzip" b2 zeros.html.gz
yes "{\"text\": \"$(head -c 20000 /dev/zero | tr '\0' x)\"}" | head -c 300M | zstd -q -1 >lines.jsonl.zst
build "a bomb: lines without end, by a small ratio" b3 lines.jsonl.zst --set corpus.unpack_ratio_max=1 | sed -E "s/[0-9],[0-9]{3}/N/g"
mkdir nest
echo "<p>$text" >nest/page.html
for _ in 1 2 3 4 5 6; do (cd nest && tar -cf ../next.tar --owner=0 --group=0 --mtime=@0 * && rm * && mv ../next.tar in.tar); done
build "archives in archives beyond the depth" b4 nest/in.tar
build "and within it" b5 nest/in.tar --set corpus.depth_max=16

for _ in $(seq 1000); do for _ in 1 2 3 4 5 6 7 8 9 10; do printf '<div><b><table><tr><td><a href=x>'; done; done >deep.html
for _ in 1 2 3; do cat deep.html deep.html >deeper.html; mv deeper.html deep.html; done
echo "$text" >>deep.html
build "an HTML page of $(grep -o '<' deep.html | wc -l) nested tags" h1 deep.html --set corpus.html=all
(printf '{"text": "'; head -c 50M /dev/zero | tr '\0' x; printf '"}\n{"text": "%s"}\n' "$text") >long.jsonl
build "a line of 50 MB" l1 long.jsonl
(printf '{"text": "'; head -c 70M /dev/zero | tr '\0' x; printf '"}\n{"text": "%s"}\n' "$text") >longer.jsonl
build "a line of 70 MB, beyond item_bytes_max" l2 longer.jsonl
brackets() { head -c 100000 /dev/zero | tr '\0' "$1"; }
(printf '{"text":'; brackets '['; printf '}\n{"meta":'; brackets '['; brackets ']'; printf ',"text":"%s"}\n{"text":"%s"}\n' "$text" "$text") >deep.jsonl
build "100,000 nested brackets" l3 deep.jsonl
yes '{"text":""}' | head -n 100000 >empty.jsonl
build "100,000 empty documents" l4 empty.jsonl
try "which the next stages take for what they are" quern-dedup build l4 -o l4-dedup -q

echo "--- odd lines"
cat >odd.jsonl <<END
{"text":"$text","text":"$text"}
{"text":"$text","n":1e999999}
{"text":"$text","n":123456789012345678901234567890}
{"text":"$text lone \ud800 surrogate"}
{"text":"$text \udc00\ud800"}
{"text":"$text escaped \u0000 NUL"}
{"text":"$text pair \ud83d\ude00"}
{"id":"same","text":"$text one"}
{"id":"same","text":"$text two"}
{"id":{"a":1},"text":"$text three"}
{"text":null}
{"text":["$text"]}
{"text":"$text"} behind
[]
"x"
NaN
{"text":"$text","lang":"xx-yy-!!","url":"\u0000","title":5}
END
printf '{"text":"%s raw \000 NUL"}\n{"text":"%s raw \001 control"}\n{"text":"%s \355\240\200"}\n{"text":"%s without an end"}' "$text" "$text" "$text" "$text" >>odd.jsonl
quern-corpus check odd.jsonl | sed -E 's/,"lang":.*("meta":.*),"rules.*/,\1/; s/,"lang":.*//'
try "the same ids by the user are two documents" quern-corpus build odd.jsonl -o odd
try "and pairs" quern-dedup pairs odd.jsonl

echo "--- names in archives lead nowhere"
mkdir -p pack/inner
echo "<p>$text" >pack/page.html
# tar -P takes the names as they are told, by a rule that rewrites them.
for name in ../../evil.html "$PWD/evil.html" a/../../evil.html 'a b.html' $'new\nline.html' $'\377.html' мельница.html .hidden.html -o.html 'a#1.html'; do
    tar -P --transform "s|.*|${name//$'\n'/\\n}|" --owner=0 --group=0 --mtime=@0 -rf hostile.tar pack/page.html 2>/dev/null # says what -P keeps it from doing
done
ln -s /etc/passwd pack/link.html
ln pack/page.html pack/hard.html
mkfifo pack/pipe.html
tar -rf hostile.tar --owner=0 --group=0 --mtime=@0 pack 2>/dev/null
build "an archive of such names" names hostile.tar
ids names | sed "s|${PWD#/}|HERE|"
find .. -maxdepth 2 -name 'evil*'

echo "--- names of files"
mkdir names.d
for name in 'a b.html' $'new\nline.html' мельница.html $'\377.html' $'\376.html' 'a*.html' '[a].html' 'a#1.html'; do echo "<p>$text $name" >"names.d/$name"; done
ln -s /etc/passwd names.d/link.txt
ln -s . names.d/loop
mkfifo names.d/pipe.html
build "a folder of such names" files names.d
ids files
refused 2 quern-corpus build 'names.d/[a].html' 'names.d/a*.html' -o none
refused 3 quern-corpus build names.d/pipe.html -o none
build "a name with a blank is a file, not a pattern" named 'names.d/a b.html' 'names.d/a*.html'

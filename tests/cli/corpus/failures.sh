# Bad input and bad commands: one clear line or a counted reason, the right exit code, nothing that looks whole.
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
text="$words $words $words $words"
tidy() { grep -v '^{"progress"' | sed -E 's/; [0-9.]+ s, .*$/; TIME/; s/^[0-9:]{8} //'; }
try() { echo "--- $1"; shift; "$@" >out.txt 2>err.txt; code=$?; cat out.txt; tidy <err.txt; echo "exit $code"; }

mkdir pack
for i in 1 2 3; do echo "<p>$text $i" >pack/$i.html; done
head -c 60000 /dev/zero | tr '\0' 'x' | fold >pack/long.txt
tar --sort=name --mtime=@0 --owner=0 --group=0 -cf data.tar -C pack .
echo 2.0 >debian-binary
ar rcD whole.deb debian-binary data.tar
head -c $(($(stat -c %s whole.deb) - 30000)) whole.deb >cut.deb

try "a truncated package: what could be read, and a warning" quern-corpus build cut.deb -o cut
try "nothing readable" bash -c 'head -c 100 whole.deb >stump.deb; quern-corpus build stump.deb -o stump'
ls stump | grep manifest
for ((i = 0; i < 600; i++)); do printf "\\$(printf %o $((i * 73 % 223 + 33)))"; done >bad.txt
printf '{"text": "a"}\n{"text": "b", }\n{"text": "\xff"}\n[1]\n{"text": 1}\n{"text": "a", "text": "b"}\n' >bad.jsonl
: >empty.txt
: >empty.jsonl
mkdir mess && cp bad.txt bad.jsonl empty.txt empty.jsonl mess
echo "<p>$text" >mess/good.html
try "bytes in no charset, broken lines, empty files" quern-corpus build mess -o bad
try "a missing file" quern-corpus build nowhere.txt -o none
try "a pattern without a match" quern-corpus build 'no*where' -o none
try "no input" quern-corpus build -o none
try "no folder" quern-corpus build bad.txt
try "an unknown step" quern-corpus build empty.txt -o none --step sign
try "an unknown setting" quern-corpus build empty.txt -o none --set corpus.part_byte=1
try "a setting out of range" quern-corpus build empty.txt -o none --set corpus.held_out=2
printf 'name: x\ninputs:\n  - name: a\n    path: empty.txt\n    formt: html\n' >typo.yaml
try "an unknown key" quern-corpus build --recipe typo.yaml -o none
ls none 2>/dev/null
mkdir other && echo mine >other/file
try "a folder with other things" quern-corpus build whole.deb -o other
try "a folder that is no result" quern-corpus cat other
try "a file that is no page" quern-corpus extract nowhere.html
echo "--- a full disk"
if [ -w /dev/full ]; then quern-corpus check whole.deb >/dev/full; echo "exit $?"; fi

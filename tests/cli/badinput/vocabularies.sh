# Vocabularies, counts and ids that are broken: exit 3 and one line, whatever is broken, and nothing is written. More of single members in tokenizers.sh.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
golden=$QUERN_SOURCE/tests/tokenizer/golden
printf 'The mill grinds.\n' >hi.txt
change() { # NAME SCRIPT-OF-SED: the golden vocabulary with one change
    sed "$2" "$golden/tokenizer.json" >"$1.json"
    cmp -s "$1.json" "$golden/tokenizer.json" && echo "$1: not changed"
    refused 3 quern-tokenizer encode -t "$1.json" hi.txt
    rm "$1.json"
}
echo "== merges that lead nowhere or back"
change merge-with-nothing '0,/"merges": \[/s//"merges": [ ["", "a"],/'
change merge-to-itself '0,/"merges": \[/s//"merges": [ ["a", ""],/'
change merge-without-whole '0,/"merges": \[/s//"merges": [ ["z", "q"],/'
change merge-of-three '0,/"merges": \[/s//"merges": [ "a b c",/'
change merge-of-special '0,/"merges": \[/s//"merges": [ ["<|EOT|>", "a"],/'
change empty-token '0,/"vocab": {/s//"vocab": { "": 1199,/'
change half-a-surrogate '0,/"vocab": {/s//"vocab": { "\\ud800": 1300,/'
change merges-no-list '0,/"merges": \[/s//"merges": {"a": [/; $s/}$/}}/'
change id-of-two-added '0,/"id": 1,/s//"id": 0,/'
echo "== deep, long, endless"
{ printf '{"model": '; head -c 60M /dev/zero | tr '\0' '['; } >deep.json
(ulimit -v 2000000; refused 3 quern-tokenizer encode -t deep.json hi.txt)
rm deep.json
truncate -s 1G long.json
(ulimit -v 2000000; refused 3 quern-tokenizer encode -t long.json hi.txt)
rm long.json
(ulimit -v 2000000; refused 3 timeout 20 quern-tokenizer encode -t /dev/zero hi.txt)
refused 3 quern-tokenizer encode -t /dev/null hi.txt
echo "== cut anywhere"
size=$(stat -c %s "$golden/tokenizer.json")
for ((at = 0; at < size - 1; at += 4001)); do
    head -c $at "$golden/tokenizer.json" >cut.json
    refused 3 quern-tokenizer encode -t cut.json hi.txt | grep -v '^quern-tokenizer encode: tokenizer: .*cut.json'
done
echo "== ids that are none"
for ids in 1200 '5 6 1200' 4294967295 4294967296 -1 99999999999999999999999 1.5 0x10 +5 '5,6' "$(printf '5\v6')" '5 six'; do
    printf '%s\n' "$ids" >ids
    refused 3 quern-tokenizer decode -t "$golden" ids
    quern-tokenizer decode -t "$golden" ids 2>/dev/null | wc -c | grep -v '^0$'
done
printf '\377\377\377\377' >ids
refused 3 quern-tokenizer decode -t "$golden" ids --binary
printf '\005\000\000\000\006' >ids
refused 3 quern-tokenizer decode -t "$golden" ids --binary
rm ids
echo "== counts, cut and changed at every seventh byte"
quern-tokenizer count hi.txt -o good.counts -q 2>/dev/null
size=$(stat -c %s good.counts)
wrong() { # COMMAND...: what is neither exit 3 nor one line, or writes something
    refused 3 "$@" | grep -E '^NOT|^ '
    [ ! -e out.counts ] && [ ! -e out.json ] || { echo "WRITTEN"; rm -f out.counts out.json; }
}
for ((at = 0; at < size; at += 7)); do
    head -c $at good.counts >bad.counts
    wrong quern-tokenizer merge-counts good.counts bad.counts -o out.counts
    cp good.counts bad.counts
    flip bad.counts $at
    wrong quern-tokenizer train --counts bad.counts -o out.json --vocab-size 300 -q
done
cat good.counts good.counts >bad.counts
wrong quern-tokenizer merge-counts bad.counts -o out.counts
echo "== nothing was made"
ls

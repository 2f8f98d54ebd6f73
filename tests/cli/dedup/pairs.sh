# pairs: every pair of near duplicates in some files, with the user's ids.
words() { awk -v n="$1" -v from="$2" -v odd="${3:--1}" 'BEGIN {for (i = 0; i < n; i++) printf "%sword%c%c", i ? " " : "", 97 + (i == odd ? 25 : (from + i) % 25), 97 + int((from + i) / 25)}'; }
document() { printf '{"id":"%s","text":"%s"}\n' "$1" "$2"; }
{
    document a "$(words 80 0)"
    document b "$(words 80 0 | tr 'a-z' 'A-Z')"
    document c "$(words 80 0 60)"
    document d "$(words 80 200)"
    document e ""
    document f ""
    echo
    printf '{"text":"%s","meta":{"id":"user-17"},"id":"x"}\n' "$(words 80 200 3)"
    printf '{"text":"%s"}\n' "$(words 80 0)"
} >input.jsonl
quern-dedup pairs input.jsonl | tee one
echo "# threads, zstd, standard input and little memory: the same"
quern-dedup pairs -j1 input.jsonl | diff one - && echo same
zstd -q input.jsonl
quern-dedup pairs input.jsonl.zst | sed 's/\.zst//' | diff one - && echo same
quern-dedup pairs --set dedup.memory=1MiB - <input.jsonl | sed 's/-#/input.jsonl#/' | diff one - && echo same
echo "# a higher threshold"
quern-dedup pairs --set dedup.jaccard=0.95 input.jsonl
echo "# texts as files, and JSON"
words 50 0 >first.txt
{ words 50 0; echo " and an end"; } >second.txt
quern-dedup pairs first.txt second.txt
quern-dedup pairs --json first.txt second.txt

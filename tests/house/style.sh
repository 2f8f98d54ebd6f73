# Ratchets of size (docs/CONTRIBUTING): they may only fall. And the project speaks of itself alone.
cd "$QUERN_SOURCE" || exit 4
failed=0
complain() { echo "$*"; failed=1; }
sources() { find base tokenizer corpus dedup shards train orchestrate slurm -name '*.[ch]' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh'; }

while read -r lines file; do
    [ "$file" = total ] || [ "$lines" -le 800 ] || complain "$file has $lines lines; at most 800"
done < <(sources | grep -v '_tables\.[ch]$' | xargs wc -l)
while read -r file; do
    # The longest function: from a line that is '{' alone to the next that is '}' alone.
    awk -v file="$file" '/^\{/ {start = NR} /^\}/ {if (start && NR - start > 120) {print file ": a function of " NR - start " lines ends at " NR; bad = 1} start = 0} END {exit bad}' "$file" || failed=1
done < <(sources | grep -v '_tables\.[ch]$')
while read -r line; do complain "unfinished: $line"; done < <(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' base tokenizer corpus dedup shards train orchestrate slurm recipes)
awk 'length > 160 {print FILENAME ": line " FNR " is too long"; bad = 1} END {exit bad}' $(sources | grep -v '_tables\.[ch]$') || failed=1
exit $failed

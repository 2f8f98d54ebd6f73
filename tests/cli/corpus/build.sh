# A build of many kinds of input: what it says, what comes out, the same bytes for any threads and tasks, and what a second one does.
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
text="$words $words $words $words"
mkdir -p in/pages pack/usr/share/doc/mill
printf '<html lang=en><title>A mill</title><nav><a href=x>Home</a></nav><h1>A mill</h1><p>%s<p>%s</html>' "$text" "$text" >in/pages/a.html
printf '<p>%s too short' "few words," >in/pages/b.html
printf '\0\1\2\3' >in/pages/c.png
printf 'p {}' >in/pages/d.css
printf '%s\n' "{\"id\": 7, \"text\": \"$text\", \"source\": \"mine\", \"title\": \"T\"}" '{"text": 5}' 'broken' '' "{\"text\": \"Die M\u00fchle. $text\", \"lang\": \"de\"}" >in/lines.jsonl
gzip -n in/lines.jsonl
printf '.TH MILL 1\n.SH NAME\nmill \\- grinds\n.SH DESCRIPTION\n%s\n' "$text" >pack/usr/share/doc/mill/mill.1
printf '<p>%s' "$text" >pack/usr/share/doc/mill/page.html
(cd pack && tar --sort=name --mtime=@0 --owner=0 --group=0 -czf ../data.tar.gz .)
echo 2.0 >debian-binary
tar -czf control.tar.gz debian-binary
ar rcD in/mill.deb debian-binary control.tar.gz data.tar.gz

tidy() { grep -v '^{"progress"' | sed -E 's/; [0-9.]+ s, .*$/; TIME/; s/^[0-9:]{8} //'; }
echo "--- build"
quern-corpus build in -o one -j1 --set corpus.part_bytes=1 2>&1 | tidy
quern-corpus build in -o two -j2 --set corpus.part_bytes=1 2>/dev/null
for i in 2 0 1; do quern-corpus build in -o tasks -j1 --set corpus.part_bytes=1 --task $i/3 2>/dev/null || echo "task $i failed"; done
ls tasks | grep -c manifest
quern-corpus build in -o tasks --set corpus.part_bytes=1 2>&1 | tidy
for other in two tasks; do
    for file in one/part-* one/manifest.json one/step.json; do cmp "$file" "$other/${file#one/}"; done
done
ls one | grep -c jsonl.zst
echo "--- documents"
quern-corpus cat one | sed -E 's/(The mill stands).*bring to it\.("|\\n)/\1...\2/' | sed -E 's/"lang_score":[0-9.]+/"lang_score":S/'
quern-corpus cat one/part-00001.jsonl.zst | wc -l
echo "--- again"
quern-corpus build in -o one -j2 --set corpus.part_bytes=1
quern-corpus build in -o one --set corpus.part_bytes=2; echo "exit $?"
quern-corpus build in -o one --set corpus.part_bytes=2 --force 2>&1 | tidy
echo "--- plan"
quern-corpus plan in --json --set corpus.part_bytes=1 | sed -E 's/[0-9a-f]{12}/KEY/g; s/"bytes":[0-9]+/"bytes":N/'
[ "$(quern-corpus plan in --json | sed -E 's/.*"output":"([^"]*)".*/\1/')" = "$(quern-corpus plan in --json --set corpus.held_out=0.01 | sed -E 's/.*"output":"([^"]*)".*/\1/')" ] && echo "same key"
quern-corpus plan --json

# Rows of tables become what the same rows as JSON lines become; what is no table, and what is no row of it, is said.
prose='The miller takes the grain to the mill, and the mill grinds it to flour that is fine and that the baker of the town has asked for. When the wheel turns with the water of the stream, the stones that lie on each other turn with it, and what comes out of them falls into the sack. And so it was said that it is the water that bakes the bread of the town.'
make_rows() { # FORMAT
    for n in 1 2 3; do
        case $1 in
            csv) printf '%s,"%s\r\nHe says ""flour"" %s times.",https://example.org/%s,Page %s\r\n' $n "$prose" $n $n $n ;;
            tabs) printf '%s\t"%s\r\nHe says ""flour"" %s times."\thttps://example.org/%s\tPage %s\n' $n "$prose" $n $n $n ;;
            jsonl) printf '{"id":"%s","content":"%s\\r\\nHe says \\"flour\\" %s times.","url":"https://example.org/%s","title":"Page %s"}\n' $n "$prose" $n $n $n ;;
        esac
    done
}
{ printf '\357\273\277id,content,url,title\r\n'; make_rows csv; } >rows.csv
{ printf 'id\tcontent\turl\ttitle\n'; make_rows tabs; } | gzip -n >tabs.csv.gz
make_rows jsonl >rows.jsonl
tidy() { grep -v '^{"progress"' | sed -E 's/; [0-9.]+ s, .*$/; TIME/; s/^[0-9:]{8} //'; }
for file in rows.jsonl rows.csv tabs.csv.gz; do
    quern-corpus build -o "out-$file" --set inputs.0.name=rows --set inputs.0.path="$file" --set inputs.0.text_field=content 2>&1 | tidy
    quern-corpus cat "out-$file" | sed -E "s,\"id\":\"rows/$file#[0-9]+\",\"id\":\"rows/FILE\"," >"$file.documents"
    cmp rows.jsonl.documents "$file.documents" && wc -l <"$file.documents"
done
head -n 1 rows.csv.documents | sed 's/.*"source"/"source"/'

echo '--- no table'
quern-corpus build -o none rows.csv 2>&1 | tidy
echo "exit ${PIPESTATUS[0]}"

echo '--- bad rows'
{ printf 'id,text\n'; printf '1,"%s"\n2,3,4\n"5"x,6\n' "$prose"; printf '7,"open\n'; } >bad.csv
quern-corpus build -o bad bad.csv 2>&1 | tidy
quern-corpus cat bad | wc -l

echo '--- in an archive: where the recipe asks for it'
mkdir in && cp bad.csv in/ && echo "$prose" >in/prose.txt
tar --sort=name --mtime=@0 --owner=0 --group=0 -cf in.tar in
quern-corpus build -o in-auto in.tar 2>&1 | tidy
quern-corpus build -o in-csv --set inputs.0.name=in --set inputs.0.path=in.tar --set inputs.0.format=csv 2>&1 | tidy
quern-corpus cat in-csv | cut -c 1-30

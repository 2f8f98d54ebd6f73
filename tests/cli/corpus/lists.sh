# Block lists: named from the recipe's folder, asked first, in the report's funnel; what is wrong with them.
mkdir run
cat >run/r.yaml <<'Y'
inputs: [{name: web, path: web.jsonl}]
corpus:
  gopher: {enabled: false}
  lists: {domains: [domains, more], urls: urls, url_soft_words: soft, words: words, words_share_max: 0.2}
  by_language: [{lang: fr, lists: {words: mots}}]
Y
printf '# by hand\nbad.org\nBad.org\nhttps://worse.org/\n' >run/domains
printf 'worse.org\n' >run/more
printf 'a.org/forum/*\na.org/forum/old\n' >run/urls
printf 'hot\ncold\n' >run/soft
printf 'ugly words\n?!\n' >run/words
: >run/mots
cat >run/web.jsonl <<'J'
{"lang":"en","url":"https://www.bad.org/a","text":"The mill stands by the river."}
{"lang":"en","url":"http://worse.org","text":"The mill stands by the river."}
{"lang":"en","url":"https://a.org/forum/1","text":"The mill stands by the river."}
{"lang":"en","url":"https://a.org/hot-and-cold","text":"The mill stands by the river."}
{"lang":"en","url":"https://a.org/","text":"Ugly words: the mill."}
{"lang":"en","text":"The ugly words are few here, for there are many others."}
{"lang":"fr","text":"Ugly words."}
J
echo "--- lint"
quern-corpus lint run/r.yaml
echo "--- check"
quern-corpus check run/web.jsonl --recipe run/r.yaml | sed -E 's/"lang_score":[0-9.]+/"lang_score":S/' | sed -n '1p;5,7p'
echo "--- build"
quern-corpus build --recipe run/r.yaml -o out 2>&1 | sed -E 's/; [0-9.]+ s, .*$/; TIME/' | grep -v '^{"progress'
quern-corpus report out
grep -c '<th>lists</th>\|>lists<' out/report.html | sed 's/^[1-9][0-9]*$/the funnel has them/'
mv run elsewhere
quern-corpus build --recipe elsewhere/r.yaml -o out
printf 'worst.org\n' >elsewhere/more
quern-corpus build --recipe elsewhere/r.yaml -o out
echo "exit $?"
echo "--- wrong"
printf 'a\nb\xff\n' >elsewhere/soft
quern-corpus build --recipe elsewhere/r.yaml -o other
echo "exit $?"
rm elsewhere/soft
quern-corpus build --recipe elsewhere/r.yaml -o other
echo "exit $?"
quern-corpus lint elsewhere/r.yaml --set corpus.lists.enabled=false --set corpus.by_language=
quern-corpus lint elsewhere/r.yaml --set corpus.lists= --set corpus.lists.words_max=3 --set corpus.by_language=

# Inputs from a recipe: patterns relative to it, formats, a text field of another name, a stated language.
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
text="$words $words $words $words"
mkdir -p run/data/x run/data/y
echo "<p>$text" >run/data/x/page.html
echo "<p>$text $words" >run/data/y/page.html
echo "$text" >run/data/note.txt
echo "{\"content\": \"$text\", \"text\": 1}" >run/data/lines
cat >run/r.yaml <<'YAML'
name: test
dir: out
seed: 3
inputs:
  - name: pages
    path: data/*/page.html
  - name: lines
    path: data/lines
    format: jsonl
    text_field: content
    lang: de
  - name: notes
    path: [data/note.txt]
corpus:
  held_out: 1
YAML
quern-corpus build --recipe run/r.yaml -o out 2>&1 | sed -E 's/; [0-9.]+ s, .*$/; TIME/' | grep -v '^{"progress'
quern-corpus cat out | sed -E 's/"text":"[^"]*"/"text":"..."/; s/"lang_score":[0-9.]+/"lang_score":S/'
grep -E '"held_out(_seed)?": [0-9]' out/manifest.json | head -2
mv run elsewhere
quern-corpus build --recipe elsewhere/r.yaml -o out
echo "--- one language"
quern-corpus build --recipe elsewhere/r.yaml -o de --set corpus.languages=de --set corpus.lang_score_min=0.5 2>&1 | sed -E 's/; [0-9.]+ s, .*$/; TIME/' | grep -v '^{"progress'

# quern-corpus lint: every kind of finding, none in the profiles.
cat >recipe.yaml <<'Y'
inputs: [{name: a, path: x, lang: eng}, {name: b, path: y, lang: de}]
corpus:
  languages: [en, zh, xx, no]
  profile: fineweb
  gopher: {words_min: 100, words_max: 50, bullet_lines_max: 1, stop_words_min: 9}
  dclm: {uppercase_max: 0.3}
  repetition: {counting: every, grams_7_max: 0.2}
  code: {sources: [c]}
  by_language: [{lang: fr, fineweb: {short_lines_max: 1}}, {lang: pt_BR, c4: {word_length_max: 9}}]
Y
quern-corpus lint recipe.yaml
echo "exit $?"
: >none.yaml
quern-corpus lint none.yaml --set corpus.repetition.enabled=true --set corpus.repetition.top_2_max=1 --set corpus.repetition.lines_max=1 --json
echo "exit $?"
for profile in fineweb fineweb-2 c4 gopher dclm deepseek; do
    quern-corpus lint none.yaml --set corpus.profile=$profile && echo "$profile: nothing"
done
quern-corpus lint none.yaml --set corpus.profile=finweb

# quern-corpus lint: every kind of finding, none in the profiles.
cat >recipe.yaml <<'Y'
inputs: [{name: a, path: x, lang: eng}, {name: b, path: y, lang: de}]
corpus:
  languages: [en, zh, xx, no]
  profile: fineweb
  gopher: {words_min: 100, words_max: 50, bullet_lines_max: 1, stop_words_min: 9}
  dclm: {uppercase_max: 0.3}
  repetition: {counting: every, grams_7_max: 0.2, lines_max: 30}
  code: {sources: [c]}
  by_language: [{lang: fr, fineweb: {short_lines_max: 67}}, {lang: pt_BR, c4: {word_length_max: 9}}]
Y
quern-corpus lint recipe.yaml
echo "exit $?"
: >none.yaml
quern-corpus lint none.yaml --set corpus.repetition.enabled=true --set corpus.repetition.top_2_max=1 --set corpus.repetition.lines_max=30 --set corpus.repetition.paragraphs_max=1 --json
echo "exit $?"
cat >languages.yaml <<'Y'
inputs: [{name: a, path: x, lang: zh}, {name: b, path: y, lang: "no"}, {name: c, path: z, lang: de-AT}]
corpus:
  languages: [de, zh-Hans, "no"]
  gopher: {enabled: false, bullet_lines_max: 1, words_min: 20}
  repetition: {counting: every, grams_6_max: 0.2, grams_7_max: 0.2, lines_max: 30}
  dclm: {digits_max: 0.3}
  by_language:
    - {lang: de, gopher: {enabled: true, stop_words: [der, "geht's", "don't", "die Frau"], stop_words_min: 5}}
    - {lang: zh, repetition: {enabled: true}}
    - {lang: "no", dclm: {enabled: false, digits_max: 0.4}}
Y
quern-corpus lint languages.yaml
echo "exit $?"
# A profile's languages are not asked whether they are kept, the recipe's own are.
cat >own.yaml <<'Y'
corpus: {profile: fineweb-2, languages: [fr], by_language: [{lang: de, fineweb: {short_lines_max: 67}}]}
Y
quern-corpus lint own.yaml
for profile in fineweb fineweb-2 c4 gopher dclm deepseek; do
    quern-corpus lint none.yaml --set corpus.profile=$profile && echo "$profile: nothing"
done
quern-corpus lint none.yaml --set corpus.profile=finweb

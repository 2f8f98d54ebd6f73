# What is done to a text's characters: mojibake, invisible characters and blanks as a rule, personal data where it is asked for; the counts; samples of what was dropped.
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
text="$words $words $words $words"
printf '{"text": "%s"}\n' "$text Write to miller@mill.org or 82.50.72.202, [2a00:1450::1:2]." \
    "$text It\\u00e2\\u20ac\\u2122s a caf\\u00c3\\u00a9, \\u201csaid\\u201d he.  \\n\\n\\n\\n\\nDo\\u00adnau \\u202eriver\\u202c \\u200bend." \
    "$text Call +49 30 901820, pay to DE89 3704 0044 0532 0130 00 by 4012 8888 8888 1881; miller@example.com." \
    "Too short: other@mill.org" >in.jsonl
shown() { quern-corpus cat "$1" | sed -E 's/.*to it\. (.*)","lang".*/\1/; s/.*to it\. (.*)","source".*/\1/'; }
counts() { tr -d ' \n' <"$1/manifest.json" | grep -oE '"changes":\{[^}]*\}' | head -n 1 | sed -E 's/"[a-z_]+":0,?//g'; }

echo "--- as a rule"
quern-corpus build in.jsonl -o plain -q 2>/dev/null && shown plain && counts plain
echo "--- without repair"
quern-corpus build in.jsonl -o broken -q 2>/dev/null --set corpus.mojibake=false && shown broken && counts broken
echo "--- addresses"
quern-corpus build in.jsonl -o addresses -q 2>/dev/null --set corpus.pii.email=true --set corpus.pii.ip=true && shown addresses && counts addresses
echo "--- all"
quern-corpus build in.jsonl -o all -q -j1 2>/dev/null --set corpus.pii='{email: true, ip: true, phone: true, iban: true, card: true}' && shown all && counts all
quern-corpus report all -o page.html >/dev/null && grep -oE '(runs of mojibake|e-mail addresses|IP addresses|IBANs) [a-z]+</td><td[^>]*>[0-9]+' page.html
grep -o 'Too short[^"]*' all/manifest.json | head -n 1

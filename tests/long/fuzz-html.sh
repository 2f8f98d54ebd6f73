# Pages, mutated, under AddressSanitizer and UndefinedBehaviorSanitizer. QUERN_FUZZ_SECONDS (300) and QUERN_DICE (1) choose how long and which.
set -eu
seconds=${QUERN_FUZZ_SECONDS-300} dice=${QUERN_DICE-1}
mkdir seeds
# The golden page, and some that are made of what it has not.
sed -n '/^cat >page.html/,/^HTML$/p' "$QUERN_SOURCE/tests/cli/corpus/extract.sh" | sed '1d;$d' >seeds/article.html
words='The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it.'
printf '<meta name=generator content=Doxygen><div class=memproto><table class=memname><tr><td>int f</td><td>(</td></tr></table></div><div class=fragment><div class=line><span class=lineno>1</span>a;</div>\n<div class=line>&#160;b;</div></div><p>%s' "$words" >seeds/manual.html
printf '<?xml version="1.0"?><html xml:lang="de"><body><div class="grid"><div class="article-body"><p>%s</p><br/></div></div><script src="a"/><p>%s</p></body></html>' "$words" "$words" >seeds/strict.xhtml
printf '<title>A</title><table><tr><td><font>%s<br><br>%s<td><a href=x>b</a><tr><td>\xe4\xb8\xad\xe6\x96\x87\xe3\x80\x82<select><option>c</select></table><svg><path d="M0"></svg><button>d' "$words" "$words" >seeds/table.html
cmake -G Ninja -S "$QUERN_SOURCE" -B asan -DQUERN_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo >log 2>&1 && ninja -C asan fuzz_html >>log 2>&1 || { tail -n 40 log; exit 1; }
asan/tests/fuzz_html "$seconds" "$dice" seeds/* || { echo "QUERN_DICE=$dice"; exit 1; }

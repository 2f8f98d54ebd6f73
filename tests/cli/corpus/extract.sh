# A page with one of each thing, as plain text and as Markdown.
words='The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it.'
cat >page.html <<HTML
<!DOCTYPE html>
<html lang="en"><head><title>The wheel - Mill manual</title>
<link rel="canonical" href="https://mill.example/wheel">
<script type="application/ld+json">{"datePublished": "2026-01-02"}</script>
</head><body>
<nav><a href="/">Mill manual</a> <a href="/river">River</a></nav>
<main><article>
<h1>The wheel<a class="headerlink" href="#wheel">&para;</a></h1>
<div class="toc"><p>On this page</p><ul><li><a href="#parts">Parts</a></ul></div>
<p>$words $words</p>
<h2>Parts</h2>
<ul>
<li>Hub,<br>with a bearing
<li>Spokes
  <ol><li>long<li>short<p>They are cut from ash.</p></ol>
<li>Code:<pre><code class="language-c">turn(&amp;wheel);
    stop();</code></pre>
</ul>
<dl><dt>Hub</dt><dd>What the spokes meet in.</dd><dt>Rim</dt><dd>What they end at.</dd></dl>
<table><caption>Sizes</caption>
<thead><tr><th>Part<th>Size (a|b)</tr></thead>
<tbody><tr><td>Hub<td>1 m<tr><td>Rim<td></tr><tr><td>Spoke<td>2<br>m</tr></tbody></table>
<p>$words $words</p>
<div class="highlight-sh notranslate"><table><tr><td class="linenos"><pre>1
2</pre></td><td><pre>cd mill
\`\`\`make wheel\`\`\`</pre></td></tr></table></div>
<p>Its speed is <math alttext="v = \\omega r"><mi>v</mi></math>, as <img class="math" alt="\\omega"> tells.<a href="#fn1">[1]</a></p>
<p id="fn1">[1] Measured by the river.</p>
<p>$words $words</p>
</article></main>
<footer>Made by the miller. <a href="/edit">Edit this page</a></footer>
</body></html>
HTML
echo "--- plain"
quern-corpus extract page.html
echo "--- markdown"
quern-corpus extract --markdown page.html
echo "--- what a build keeps of it"
quern-corpus build page.html -o out --set corpus.gopher.enabled=false 2>/dev/null
quern-corpus cat out | sed 's/"text":"\([^"\\]*\).*","lang"/"text":"\1...","lang"/'
echo "--- bench"
quern-corpus bench page.html --runs 2 | tr ',' '\n' | sed 's/:.*//; s/{//'
quern-corpus bench page.html --runs 1001
quern-corpus bench nowhere.html

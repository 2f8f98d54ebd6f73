# Crawls: pages of a WARC whatever their coding, texts of a WET, an ARC; damage said with its place and passed over; the same bytes for any threads.
words="The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it."
text="$words $words $words $words"
page() { printf '<html><title>%s</title>%s<p>%s %s</html>' "$1" "${2-}" "$1." "$text"; }
bytes() { LC_ALL=C wc -c <"$1" | tr -d ' '; }
# record TYPE URL CONTENT-TYPE BLOCK: a member of crawl.warc.gz
number=0
record() {
    number=$((number + 1))
    { printf 'WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nWARC-Date: 2024-05-18T01:58:%02dZ\r\nWARC-Record-ID: <urn:test:%d>\r\n' "$1" "$2" $number $number
      printf 'Content-Type: %s\r\nContent-Length: %d\r\n\r\n' "$3" "$(bytes "$4")"; cat "$4"; printf '\r\n\r\n'; } | gzip -n >>crawl.warc.gz
}
# answer URL HEADERS: a page from standard input
answer() { { printf "HTTP/1.1 200 OK\r\n$2\r\n\r\n"; cat; } >block; record response "$1" "application/http; msgtype=response" block; }

echo "software: made" >info
record warcinfo "" application/warc-fields info
answer http://a/plain 'Content-Type: text/html; charset=utf-8' < <(page Plain '<link rel=canonical href="http://elsewhere/">')
answer http://a/gzip 'Content-Type: text/html\r\nContent-Encoding: gzip' < <(page Gzip | gzip -n)
answer http://a/not-gzip 'Content-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked' < <(page "Not gzip")
{ printf '40\r\n'; page Chunks | head -c 64; printf '\r\n%x;x=y\r\n' $(($(page Chunks | wc -c) - 64)); page Chunks | tail -c +65; printf '\r\n0\r\n\r\n'; } >chunks
answer http://a/chunks 'Content-Type: text/html\r\nTransfer-Encoding: chunked' <chunks
answer http://a/latin 'Content-Type: text/html; charset=ISO-8859-1' < <(page "M$(printf '\374')hle" '<meta charset=koi8-r>')
answer http://a/sniffed 'Server: none' < <(page "Sniffed")
answer http://a/sniffed-too 'Server: none' < <(printf '\0\1\2')
answer http://a/broken 'Content-Type: text/html\r\nContent-Encoding: gzip' < <(printf '\37\213\10\0broken')
answer http://a/json 'Content-Type: application/json' < <(printf '{"a": 1}')
printf 'HTTP/1.1 404 Not Found\r\n\r\n<p>gone' >block
record response http://a/gone "application/http; msgtype=response" block
damaged=$(bytes crawl.warc.gz)
answer http://a/lost 'Content-Type: text/html' < <(page Lost)
printf 'XXXXXXXX' | dd of=crawl.warc.gz bs=1 seek=$((damaged + 60)) conv=notrunc 2>/dev/null
answer http://a/behind 'Content-Type: text/html' < <(page "Behind the damage")
printf 'A text. %s' "$text" >block
record conversion http://a/wet text/plain block
{ printf 'HTTP/1.0 200 OK\nContent-Type: text/html\n\n'; page Old; } >old
{ printf 'filedesc://o.arc 127.0.0.1 19990518015800 text/plain 16\n1 0 Old\nURL ...\n\nhttp://o/ 192.0.2.7 19990518015801 text/html %d\n' "$(bytes old)"; cat old; echo; } >old.arc

tidy() { grep -v '^{"progress"' | sed -E "s/; [0-9.]+ s, .*\$/; TIME/; s/^[0-9:]{8} //; s/byte $damaged:/byte DAMAGED:/; s/in ([0-9,]+ documents) \\([^)]*\\)/in \\1 (BYTES)/"; }
show() { quern-corpus cat "$1" | sed -E 's/(crawl\.warc\.gz)#[0-9]+/\1#MEMBER/; s/(The mill stands).*bring to it\.("|\\n)/\1...\2/; s/"source":.*"lang_score":[0-9.]+/.../'; }
quern-corpus build crawl.warc.gz -o one -j1 2>&1 | tidy
quern-corpus build crawl.warc.gz -o two -j2 2>/dev/null
cmp one/manifest.json two/manifest.json && show one
quern-corpus build old.arc -o arc 2>&1 | tidy
show arc
echo "--- within an archive"
tar -cf crawl.tar crawl.warc.gz old.arc
quern-corpus build crawl.tar -o tar 2>&1 | tidy
quern-corpus cat tar | sed -E 's/","text.*//' | tail -n 2
echo "--- record after record that begins and does not end"
{ for ((i = 0; i < 1000; i++)); do echo WARC/1.0; done
  printf 'WARC/1.0\nWARC-Type: conversion\nContent-Type: text/plain\nContent-Length: %d\n\n' "$(bytes block)"; cat block; } >flood.warc
quern-corpus build flood.warc -o flood 2>err.txt; echo "exit $?"
tidy <err.txt | sed -n '1p; 32,$p'

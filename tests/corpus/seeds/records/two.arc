filedesc://m.arc 127.0.0.1 20240518015800 text/plain 20
1 0 Made
URL IP ...

http://a/0 192.0.2.7 20240518015801 text/html 122
HTTP/1.1 200 OK
Content-Type: text/html; charset=utf-8

<!doctype html><title>Mill</title><p>The mill grinds the grain.
http://a/1 192.0.2.7 20240518015801 text/html 122
HTTP/1.1 200 OK
Content-Type: text/html; charset=utf-8

<!doctype html><title>Mill</title><p>The mill grinds the grain.

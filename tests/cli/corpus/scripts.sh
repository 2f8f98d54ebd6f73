# JavaScript and TypeScript are source code where the rules for code are asked, alone and inside archives; what else is called .ts is told by its content.
mkdir -p web
printf '// Copyright 2026 A. Miller\n// Licensed to whom it may concern\nexport function turn(wheel) {\n  return wheel.turns + 1;\n}\n' >web/mill.js
printf 'interface Mill { wheel: number }\nexport const turn = (m: Mill): number => m.wheel + 1;\n' >web/mill.ts
printf 'export const Mill = () => <Wheel turns={3} />;\n' >web/mill.jsx
for _ in $(seq 60); do printf 'function a(b){return b+1};'; done >web/mill.min.js
for _ in $(seq 9); do for _ in $(seq 20); do printf 'a={b:1};'; done; echo; done >web/lines.min.mjs
printf '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS version="2.1"><message/></TS>\n' >web/mill_de.ts
printf '\n<!DOCTYPE TS><TS><message/></TS>\n' >web/mill_fr.ts
printf 'G@\021\020\000B\360%%\000\001\301\000\000' >web/film.ts
tar -C web -cf web/all.tar mill.js mill.ts mill_de.ts mill.min.js film.ts
gzip -n web/mill.jsx
for code in false true; do
    quern-corpus build web -o "out-$code" --set corpus.code.enabled=$code --set corpus.gopher.enabled=false 2>&1 | sed -E 's/; [0-9.]+ s, .*$/; TIME/' | grep -v '^{"progress'
    quern-corpus cat "out-$code" | sed -E 's/,"lang".*$//'
done

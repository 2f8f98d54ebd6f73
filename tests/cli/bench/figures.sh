# quern-bench: lines of figures, then the JSON and the page. Times vary, so only what does not is shown.
bench=$QUERN_BUILD/bench/quern-bench
run() { "$bench" run -o lines -q "$@"; }
run --name a.b --what 'a command' --unit bytes --amount 1000 --runs 2 --prepare 'echo x >>prepared' -j 2 -- sh -c 'cat prepared'
run --name a.c --what 'one that says its rate' --unit tokens --reported result.rate -j 1 --peer other -- echo '{"result": {"rate": 7}}'
run --name a.e --what 'one that says it in thousands' --unit tokens --amount 90 --reported rate --scale 1e3 -j 1 --runs 1 -- echo '{"rate": 5}'
echo '{"in": {"bytes": 12}}' >amount.json
run --name a.d --what 'an amount from a file' --unit bytes --amount-of amount.json:in.bytes --runs 1 -j 1 -- true
wc -l <prepared
# A peer that is run in turn with ours, more often than ours; and one that fails, which is said and no failure.
run --name b.a --what 'beside a peer' --unit bytes --amount 1000 --runs 1 -j 1 --peer one --peer-command 'echo x >>turns; echo "{\"rate\": 5}"' --peer-reported rate --peer-runs 2 \
    --wanted 1000000000 -- true
wc -l <turns
run --name b.b --what 'beside none' --unit bytes --amount 1000 --runs 1 -j 1 --peer two --peer-command 'exit 1' -- true 2>&1 | sed 's/^[0-9:]* //'
echo 'A note.' >notes
"$bench" page some lines -o results --title 'Some' --data 'nothing' --notes notes -q
ls results
# Whole values only: a rate that happens to begin with one of the numbers is not it.
grep -oE '"(name|amount|peer|per_second)": ("[^"]*"|7\.0|5000\.0|12|1000|null)([,}]|$)' results/some.json | sed 's/[,}]$//'
grep -E '^\| one|^- .*`' results/some.md | sed -E 's/[0-9.]+ s /T s /g; s/[0-9.]+ MB/N MB/'
sed -n '/^Wanted/,/^A note/p' results/some.md | sed -E 's/ratio [^,]*/ratio N/'
echo "# errors"
run --name x --what x --unit bytes --amount 1 --wanted 2 -- true; echo "exit $?"
run --name x --what x --unit bytes -- true; echo "exit $?"
run --name x --what x --unit bytes --amount 1 -- false; echo "exit $?"
run --name x --what x --unit bytes --amount-of amount.json:in.words -- true; echo "exit $?"
"$QUERN_SOURCE/bench/run" nothing 2>&1; echo "exit $?"

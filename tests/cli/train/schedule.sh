# The courses of the report's run, out of its recipe; as a table and as a page.
quern-train schedule --recipe "$QUERN_SOURCE/recipes/deepseek-v3.yaml"
quern-train plan --recipe "$QUERN_SOURCE/recipes/deepseek-v3.yaml" --json | grep -o '"parameters":671026404352'
# Warm-up, stable, decay to nothing.
quern-train schedule --recipe "$QUERN_SOURCE/recipes/demo.yaml" --set train.tokens=100K --set 'train.batch={sequences: 1}' --set 'train.rate={peak: 1e-3, warmup_steps: 10, segments: [{until: 60K}, {until: 90K, kind: linear, to: 0}]}'
quern-train schedule --recipe "$QUERN_SOURCE/recipes/deepseek-v3.yaml" -o page.html
grep -c '<svg' page.html
grep -o '<figcaption[^>]*>[^<]*' page.html | sed 's/<[^>]*>//'
# A batch that grows over more steps than anyone could walk.
quern-train schedule --recipe "$QUERN_SOURCE/recipes/demo.yaml" --set train.tokens=1000000T --set 'train.batch={from: 1, sequences: 3, ramp: 1000000T}' | sed -n '1,3p;$p'
# Nearly twice as many steps as a plot has points.
quern-train schedule --recipe "$QUERN_SOURCE/tests/tiny/recipe.yaml" --set shards.sequence_tokens=1 --set train.batch.sequences=1 --set train.batch.from=0 --set train.batch.ramp=0 --set train.tokens=999 -o short.html
echo "exit $?"

# The courses of the report's run, out of its recipe; as a table and as a page.
quern-train schedule --recipe "$QUERN_SOURCE/recipes/deepseek-v3.yaml"
quern-train plan --recipe "$QUERN_SOURCE/recipes/deepseek-v3.yaml" --json | grep -o '"parameters":671026404352'
quern-train schedule --recipe "$QUERN_SOURCE/recipes/deepseek-v3.yaml" -o page.html
grep -c '<svg' page.html
grep -o '<figcaption[^>]*>[^<]*' page.html | sed 's/<[^>]*>//'

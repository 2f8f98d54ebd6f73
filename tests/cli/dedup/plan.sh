# plan: the steps, before anything is built; a change of settings changes the keys from the step on that it matters to.
printf '{"id":"a","text":"some words"}\n' >input.jsonl
quern-corpus build input.jsonl -o corpus --set corpus.gopher.enabled=false -q 2>/dev/null
printf 'name: test\ndedup:\n  jaccard: 0.8\n' >recipe.yaml
quern-dedup plan --recipe recipe.yaml --json
quern-dedup plan --recipe recipe.yaml
quern-dedup plan corpus --json | sed -E 's/[0-9a-f]{12}/KEY/g'
keys() { quern-dedup plan corpus "$@" | sed -E 's/.*key //'; }
keys >standard
echo "steps that change:"
for setting in bands=7 near=false jaccard=0.8 survivor=newest memory=2MiB; do
    echo "$setting: $(keys --set dedup.$setting | paste - standard | awk '{printf "%s ", $1 == $2 ? "same" : "other"}')"
done
echo "the plan's key is the folder's"
quern-dedup build corpus -o out -q 2>/dev/null
[ "$(keys | tail -n 1)" = "$(sed -nE 's/.*"key": "([0-9a-f]*)".*/\1/p' out/manifest.json | head -n 1)" ] && echo yes
ls out/work | sort | diff - <(keys | head -n 2 | sort) && echo yes

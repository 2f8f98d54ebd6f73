# The page of a run is made from its metrics.jsonl and experts.jsonl alone: what each of them brings, what is left out where there is nothing, and the same bytes every time.
page() { quern-train report run >path && cat path && grep -aoE '<(h2|figcaption)[^>]*>[^<]*' run/report.html | sed -E 's/<h2[^>]*>/# /; s/<figcaption[^>]*>/  /'; }
mkdir run
quern-train report run; echo "exit $?"
: >run/metrics.jsonl
page
echo "-- a model without experts"
for step in 1 2 3; do
    echo "{\"step\":$step,\"samples\":$step,\"tokens\":$((step * 32)),\"loss\":$((9 - step)).5,\"balance_loss\":0,\"gradient_norm\":1,\"rate\":0.001,\"batch\":1,\"tokens_per_s\":100,\"flop_per_s\":1000,\"flop_share\":0.5,\"loss_by_source\":{\"web\":5}}"
done >run/metrics.jsonl
page
echo "-- with MTP, sources and experts"
for step in 1 2 3; do
    echo "{\"step\":$step,\"samples\":$step,\"tokens\":$((step * 32)),\"loss\":$((9 - step)).5,\"mtp_loss\":9,\"balance_loss\":0.01,\"gradient_norm\":1,\"rate\":0.001,\"batch\":1,\"violation\":0.5,\"violation_max\":0.7,\"violation_max_layer\":4,\"window_tokens\":$((step * 32)),\"window_violation\":0.4,\"window_violation_max\":0.5,\"window_violation_max_layer\":4,\"router_entropy\":1.2,\"bias_norm\":0.1,\"tokens_per_s\":100,\"flop_per_s\":1000,\"flop_share\":0.5,\"loss_by_source\":{\"web\":5,\"code & <b>\":4},\"violation_by_layer\":[0.3,0.7],\"router_entropy_by_layer\":[1.2,1.2],\"bias_norm_by_layer\":[0.1,0.1]}"
done >run/metrics.jsonl
echo '{"step":3,"tokens":96,"layers":[3,4],"source_tokens":{"web":64,"code & <b>":32},"load_by_source":{"web":[[1500,500],[1000,1000]],"code & <b>":[[0,2000],[2000,0]]}}' >run/experts.jsonl
page
grep -aoE 'code [^,<]*, [01]: [0-9.]*' run/report.html
grep -aoE 'layer 3, [01]: [0-9.]*' run/report.html
cp run/report.html before
page >/dev/null
cmp before run/report.html && echo "the same bytes"
echo "-- with train.watch.experts_every: 0 there is no experts.jsonl, and the lines of the layers are still shown"
mv run/experts.jsonl kept
page
grep -aoE 'MoE layer [0-9]+' run/report.html | sort -u
mv kept run/experts.jsonl
echo "-- several runs"
mkdir other empty
sed 's/"mtp_loss":9,//; s/"loss":\([0-9]\)/"loss":1\1/' run/metrics.jsonl >other/metrics.jsonl
: >empty/metrics.jsonl
quern-train report with=run without=other -o both.html
grep -aoE '<(h2|figcaption)[^>]*>[^<]*' both.html | sed -E 's/<h2[^>]*>/# /; s/<figcaption[^>]*>/  /'
grep -aoE '<t[dh][^>]*>[^<]*' both.html | sed -E 's/<[^>]*>//' | paste -sd' '
quern-train report run other; echo "exit $?"
quern-train report run empty -o no.html; echo "exit $?"
quern-train report run run run run run run run run run -o no.html; echo "exit $?"
ls no.html 2>/dev/null

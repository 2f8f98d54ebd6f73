# quern-bench gpu-page: from what the parts of bench/gpu/run left in a folder, some of them failed, cut off, or not there, to the page.
bench=$QUERN_BUILD/bench/quern-bench
mkdir parts
part() { printf '%s\t%s\t%s\t0.5\t0.25\t%s\t%s\t%s\n' "$1" "$2" "$3" "what $1 is" "run $1" "${4-}" >>parts/parts && cat >"parts/$1.out"; } # NAME STATE SECONDS [WHY]

part ops passed 1.5 <<'OUT'
{"backend":"cuda","against":"cpu","failures":[],"cases":3,"failed":0,"operations":{"matmul, wide":{"shapes":2,"failed":0,"error":0.0085,"against_error":0.009,"apart":null},"swiglu":{"shapes":1,"failed":0,"error":0.5}}}
OUT
part ops-bf16 failed 2 "quern-train: 1 operation of 'cuda-bf16' differs | from the plain ones" <<'OUT'
{"failures":[{"operation":"grouped NT","shape":"0 3, views","tensor":"c","what":"3 is not 2","way":"grouped, wgmma","error":7}],"cases":2,"failed":1,"operations":{"grouped NT":{"shapes":2,"failed":1,"error":7}}}
OUT
part ops-bf16-grouped passed 1 <<<'{"cases":1}'
part ops-dnn skipped 0 'there is no cuDNN' </dev/null
part ceilings passed 3 <<<'{"backend":"cuda-bf16","matrix_flop_per_s":8e14,"copy_bytes_per_s":2900000000000,"operations":[]}'
bench() { echo "{\"flop\":1,\"forward_ms\":1.25,\"backward_ms\":2.5,\"forward_flop_per_s\":4e14,\"backward_flop_per_s\":3e14,\"flop_per_s\":$1,\"load_max\":1.5,\"threads\":16,\"peak_bytes\":3000000,\"ways\":{\"matmul, cuBLASLt\":52},\"refused\":{$2},\"left_out\":\"$3\"}"; }
bench 612000000000000 '"matmul":"3 x 5"' graphs | part moe passed 9
bench 7 | part moe-bf16-gradients 'out of time' 45 'exit code 124'
bench 9 | head -c 120 | part moe-skewed passed 9
bench 350000000000000 | part attention passed 9
part attention-dnn passed 9 </dev/null
part layer passed 9 <<<'{"forward_ms":1.25,"backward_ms":null,"forward_flop_per_s":"fast","ways":[]}'
part parity failed 20 'bf16: over 180 steps the losses are up to 0.9 apart, and may be 0.05' <<'OUT'
fp32: the losses are near each other
bf16: over 180 steps the losses are up to 0.9 apart, and may be 0.05
{"steps":200,"fp32":{"steps":180,"apart":7.45e-09,"allowed":0.02},"same_bytes":true,"bf16":{"steps":180,"apart":0.9,"allowed":0.05}}
OUT
part torch passed 30 <<<'train 1b bf16: 1500.0 M parameters, 20000 tokens/s best, 19000 median, peak 5000 MB'
part torch-compiled failed 30 'RuntimeError: none' <<<'train 1b bf16: 1500.0 M parameters, 90000 tokens/s best, 19000 median, peak 5000 MB'
part steps passed 12 <<<'{"threads":16,"tokens_per_s":45000.5,"flop_per_s":3.3e14,"tensor_bytes":21e9,"device_bytes":22.5e9,"peak_bytes":3000000000,"ways":{"graphs, launched":19},"refused":{},"left_out":""}'
part steps-no-graphs failed 12 'exit code 9' <<<'{"tokens_per_s":99999,"flop_per_s":9e14}'
part small passed 12 <<<'{"tokens_per_s":1000000'
part moe-profile passed 4 <<<'{"operations":{"matmul NT":{"calls":3,"ms":0.111,"share":0.5,"flop_per_s":4e14},"rope":{"calls":1,"ms":0.1,"share":0.45,"flop_per_s":0},"route":{"calls":1}}}'
part perf passed 5 <<'OUT'
{"matrix_flop_per_s":7.9e14,"copy_bytes_per_s":null,"operations":[{"operation":"matmul NT, wide","shape":"1 2 3, views","us":10.04,"flop_per_s":4e14,"flop_share":0.506,"bytes_per_s":1e12,"bytes_share":0.34,"way":"cuBLASLt"},{"operation":"swiglu","shape":"8 64","us":36.2,"flop_per_s":0,"flop_share":0,"bytes_per_s":84673017,"bytes_share":0.011}]}
OUT
part libraries 'out of time' 60 'exit code 124' <<'OUT'
{"torch": "2.9.0", "cudnn": 91002}
{"operation": "matmul NT, wide", "shape": "1 2 3, views", "by": "cuBLAS", "us": 20.08}
{"operation": "matmul NT", "shape": "1 2 3, views", "by": "cuBLAS", "us": 5}
{"operation": "swiglu", "shape": "8 64", "by": "PyTorch", "us": 1
OUT
part memcheck passed 80 <<<'========= COMPUTE-SANITIZER'
echo '========= ERROR SUMMARY: 0 errors' >parts/memcheck.err
part extra passed 1 <<<'no figure'
printf 'steps-profile\tpassed\t3' >>parts/parts # where the run-book was killed

"$bench" gpu-page h100 parts -o results --chip 'NVIDIA H100' --without wgmma-grouped -q 2>&1 | sed 's/^[0-9:]* //'
ls results
sed 's/^Measured 20.*/Measured then and there./' results/h100.md
echo "== the same as JSON"
grep -cE '"name": "(moe|attention|steps)", *$|"name": "(moe|attention|steps)",' results/h100.json
grep -E '"(cut_off|peer_per_second|per_second|wanted_ratio|ratio|summary|without)": ' results/h100.json | grep -v seconds
echo "== nothing but failures, and nothing at all"
rm -r parts results && mkdir parts
part ceilings failed 1 'no such luck' </dev/null
bench 612000000000000 | part moe passed 9
"$bench" gpu-page h100 parts -o results --chip H100 -q
sed -n '/^## Wanted/,/^## What/p; /^## Ceilings/,/^## Whole/p; /^| moe /p; /^Not run/p' results/h100.md
: >parts/parts
"$bench" gpu-page h100 parts -o results --chip H100 --quick -q && grep -E '^Only tried|^Not run|^## Wanted' results/h100.md
rm parts/parts
"$bench" gpu-page h100 parts -o results --chip H100; echo "exit $?"
"$bench" gpu-page h100 parts -o results; echo "exit $?"
"$bench" gpu-page --help | sed -n '1,/^$/p; /h100/p'

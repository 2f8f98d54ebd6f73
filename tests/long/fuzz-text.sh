# Mojibake, normal form and personal data on mutated text, under AddressSanitizer and UndefinedBehaviorSanitizer. QUERN_FUZZ_SECONDS (300) and QUERN_DICE (1) choose how
# long and which.
set -eu
seconds=${QUERN_FUZZ_SECONDS-300} dice=${QUERN_DICE-1}
mkdir seeds
printf 'Write to miller@mill.org or 82.50.72.202 [2a00:1450::1:2], call +49 30 901820 or (212) 867-5309,\n\tpay to DE89370400440532013000 by 4012 8888 8888 1881.  \n\n\n\nEnd\n' >seeds/personal
printf 'caf\u00c3\u00a9 it\u00e2\u20ac\u2122s 20\u00c2\u00b0C \u0420\u045f\u0421\u0402\u0420\u0451\u0420\u0406\u0420\u00b5\u0421\u201a \u221a\u00a9 \u251c\u2310 \u00c3\u0192\u00c2\u00a9\n' >seeds/mojibake
printf '\u00e4\u00b8\u00ad\u00e6\u2013\u2021\u00e5\u00ad\u2014 \u00f0\u0178\u02dc\u20ac \u4e2d\u6587\n' >seeds/chinese
printf 'a\u200bb \u1780\u200b\u1780 \u202etfel\u202c Do\u00adnau e\u0301 \u0627\u0654 \u1112\u1161\u11ab \r\n x\n' >seeds/marks

cmake -G Ninja -S "$QUERN_SOURCE" -B asan -DQUERN_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo >log 2>&1 && ninja -C asan fuzz_text >>log 2>&1 || { tail -n 40 log; exit 1; }
asan/tests/fuzz_text "$seconds" "$dice" seeds/* || { echo "QUERN_DICE=$dice"; exit 1; }

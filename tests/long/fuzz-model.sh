# config.json, safetensors and their index, mutated: the reader of model folders. Thousands of small files a second are written: in memory, where there is a folder for that.
set -eu
. "$QUERN_SOURCE/tests/tiny/fuzz-lib.sh"
fuzz_build fuzz_model
target=$PWD/asan/tests/fuzz_model
files=()
[ ! -d "$QUERN_SOURCE/tests/train/seeds" ] || files=("$QUERN_SOURCE/tests/train/seeds"/*)
[ ! -w /dev/shm ] || TMPDIR=/dev/shm
export TMPDIR=${TMPDIR:-$PWD}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$target" "$seconds" "$dice" "${files[@]}" || { echo "QUERN_DICE=$dice"; exit 1; }

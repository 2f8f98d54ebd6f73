# File names are unique in the tree, so that a name alone says where one stands. The same operation has the same name in every backend.
cd "$QUERN_SOURCE" || exit 4
files() { git ls-files 2>/dev/null || find . -type f -not -path './build*' -not -path './.git/*'; }
twice=$(files | grep -E '\.(c|h|cc|cu|cuh)$' | grep -vE '^train/(cpu|cuda)/op_' | sed 's|.*/||' | sort | uniq -d)
[ -z "$twice" ] || { echo "file names that occur twice: $twice"; exit 1; }

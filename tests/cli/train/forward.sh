# What a model makes of a batch, as tensors: against a second implementation's (tests/train/golden), and where QUERN_DATA is set against transformers'. Then what is wrong with a batch.
golden=$QUERN_SOURCE/tests/train/golden/plain
forward() { quern-train forward "$@" 2>&1 | sed -E "s/^[0-9:]+ //; s|$golden/||; s/(loss [0-9]+\.[0-9]{3})[0-9]*/\1/"; }
names() { head -c $((8 + $(od -An -tu8 -N8 "$1"))) "$1" | tail -c +9 | grep -oE '"[a-z_.0-9]+":\{"dtype":"[A-Z0-9]+","shape":\[[0-9,]*\]'; }
agrees() { "$QUERN_BUILD/tests/golden_compare" --output "$1" "$2" >said || cat said; }

forward "$golden/model" --batch "$golden/batch.safetensors" -o one -j 1 --gradients
forward "$golden/model" --batch "$golden/batch.safetensors" -o two -j 2 --gradients
forward "$golden/model" --batch "$golden/batch.safetensors" -o plain
cmp one two && echo "two threads: the same bytes"
agrees one "$golden"
names plain
names one | head -n 6
names one | wc -l
for name in golden-v3 golden-yarn; do
    folder=${QUERN_DATA:-}/train/$name
    [ -n "${QUERN_DATA:-}" ] || continue
    quern-train forward "$folder/model" --batch "$folder/batch.safetensors" -o "$name" --gradients -q
    agrees "$name" "$folder"
    rm "$name"
done

# A file of tensors: JSON header, then data in octal escapes.
tensors() { # FILE HEADER DATA
    local length=${#2}
    printf "\\x$(printf %02x $((length % 256)))\\x$(printf %02x $((length / 256)))\\0\\0\\0\\0\\0\\0%s$3" "$2" >"$1"
}
both() { tensors batch "{\"ids\":{\"dtype\":\"I32\",\"shape\":$1,\"data_offsets\":[0,8]},\"targets\":{\"dtype\":\"I32\",\"shape\":$2,\"data_offsets\":[8,16]}}" "$3"; }
try() { forward "$golden/model" --batch batch -o out; }
both '[1,1,2]' '[1,1,2]' '\1\0\0\0\2\0\0\0\2\0\0\0\377\377\377\377' && try # the second position has no target
both '[1,1,2]' '[1,1,2]' '\1\0\0\0\2\0\0\0\377\377\377\377\377\377\377\377' && try
both '[1,1,2]' '[1,1,2]' '\1\0\0\0\30\0\0\0\1\0\0\0\1\0\0\0' && try
both '[1,1,2]' '[1,1,2]' '\1\0\0\0\1\0\0\0\1\0\0\0\30\0\0\0' && try
both '[1,1,2]' '[1,2,1]' '\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0' && try
both '[2]' '[2]' '\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0' && try
tensors batch '{"ids":{"dtype":"I32","shape":[0,1,2],"data_offsets":[0,0]}}' '' && try
tensors batch '{"ids":{"dtype":"I32","shape":[1,1,1],"data_offsets":[0,4]}}' '\0\0\0\0' && try
tensors batch '{"ids":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,4]}}' '\0\0\0\0' && try
ids=$(printf '%132s' | sed 's/ /\\0/g')
tensors batch '{"ids":{"dtype":"I32","shape":[1,1,33],"data_offsets":[0,132]},"targets":{"dtype":"I32","shape":[1,1,33],"data_offsets":[132,264]}}' "$ids$ids" && try
forward "$golden/model" --batch none -o out
forward "$golden/model" -o out
forward none --batch "$golden/batch.safetensors" -o out
forward "$golden/model" --batch "$golden/batch.safetensors" -o none/out
ls

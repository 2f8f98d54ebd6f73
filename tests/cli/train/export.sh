# A checkpoint's model as a folder for others, and what inspect says of both; what is refused.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
golden=$QUERN_SOURCE/tests/train/golden/plain
said() { "$@" 2>&1 | sed -E "s/^[0-9]+:[0-9]+:[0-9]+ //; s|$golden|golden|"; }
tiny_train_setup
tiny_train run --set train.tokens=4K
checkpoint=run/checkpoints/$(cat run/latest)

said quern-train inspect "$checkpoint"
said quern-train inspect "$golden/model" --tensors | sed -n '1,9p'
said quern-train inspect "$golden/model" --json | sed -E 's/"config":\{[^}]*\},//; s/(\}\],?)/\1\n/; s/("tensors":\[\{[^}]*\}).*/\1 .../'

# The finished run's folder, its last checkpoint, and what is exported of either are one model.
said quern-train export "$checkpoint" -o model
ls model
for file in config.json generation_config.json tokenizer.json $weights model.safetensors.index.json; do cmp "model/$file" "run/$file" && cmp "model/$file" "$checkpoint/$file"; done
said quern-train export run -o again -q && diff -r model again && echo "the run's folder: the same bytes"
said quern-train export model -o half --dtype bf16
grep dtype half/config.json
quern-train inspect half | grep -E 'elements|gate|norm.weight'
said quern-train export half -o rounded -q && said quern-train export rounded -o half-again --dtype bf16 -q && diff -r half half-again && echo "rounded once: the same bytes"

# What another program would make of a folder with two models' files never comes up.
said quern-train export model -o half
touch half/model-00002-of-00002.safetensors
said quern-train export model -o half --force -q && diff -r model half && echo "forced: the same bytes"
said quern-train export model -o x --dtype f8
said quern-train export model
said quern-train export none -o x
printf '\1' | dd of="$checkpoint/$weights" bs=1 seek=20000 conv=notrunc 2>out
said quern-train export "$checkpoint" -o x
ls -d x 2>&1

# Sourced by the tests of the whole pipeline: a folder with input and recipe, and what a run came to.

tiny_setup() { # FOLDER
    mkdir -p "$1"
    "$QUERN_SOURCE/tests/tiny/make-input" "$1/input"
    cp "$QUERN_SOURCE/tests/tiny/recipe.yaml" "$1/recipe.yaml"
}

# Every file that must be the same on every machine and after every kill, with its hash: manifests, documents, tokenizer, shards, model, last checkpoint.
tiny_fingerprint() { # FOLDER
    (cd "$1/run" && find . -type f \( -name 'manifest.json' -o -name 'step.json' -o -name 'part-*' -o -name 'tokenizer*.json' -o -name '*.safetensors' \
        -o -name 'config.json' -o -name 'results.json' -o -name 'trainer.json' -o -name latest \) | sort | xargs sha256sum)
}

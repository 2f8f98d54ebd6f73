# libquern_tokenizer as another program sees it: installed, found by pkg-config and by CMake, linked from C and C++, shared and static.
[ -z "$(sed -n 's/^QUERN_SANITIZE:STRING=//p' "$QUERN_BUILD/CMakeCache.txt")" ] || { echo "SKIP: a library with a sanitizer in it needs its runtime"; exit; }
T=$QUERN_SOURCE/tests/tokenizer/golden
example=$QUERN_SOURCE/tokenizer/library/examples/quern_tokenizer_example.c
DESTDIR=$PWD/stage cmake --install "$QUERN_BUILD" --prefix /opt/quern --component quern_tokenizer > install.log 2>&1 || cat install.log
mv stage/opt/quern installed # it may be moved
find installed ! -type d | sed -E 's|lib/[^/]*-linux-[^/]*/|lib/|; s|[0-9]+\.[0-9]+\.[0-9]+|X.Y.Z|' | LC_ALL=C sort
lib=$(dirname "$(find installed -name libquern_tokenizer.so)")
export PKG_CONFIG_PATH=$PWD/$lib/pkgconfig LD_LIBRARY_PATH=$PWD/$lib
flags=$(pkg-config --cflags --libs quern_tokenizer)
strict="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
text() { printf 'The mill grinds.\nTwo stones; 石磨.\n\n'; }
text | quern-tokenizer encode -t "$T" > wanted.ids

echo "-- an example"
run() { text | "$@" "$T/tokenizer.json" > out; sed -n 2p out | cmp - wanted.ids && sed 's/library [0-9.]*/library X.Y.Z/; 2d' out; }
# shellcheck disable=SC2086
cc -std=c11 $strict "$example" -o in-c $flags && run ./in-c
# shellcheck disable=SC2086
c++ -x c++ -std=c++11 $strict "$example" -o in-c++ $flags && run ./in-c++
# shellcheck disable=SC2046
cc -std=c11 "$example" -o static $(pkg-config --cflags quern_tokenizer) "$lib/libquern_tokenizer.a" $(pkg-config --static --libs quern_tokenizer | sed 's/-lquern_tokenizer//') && LD_LIBRARY_PATH='' run ./static

echo "-- by CMake"
mkdir project
cat > project/CMakeLists.txt << 'END'
cmake_minimum_required(VERSION 3.16)
project(example LANGUAGES C)
find_package(quern_tokenizer 0.1 REQUIRED)
add_executable(by-cmake ${EXAMPLE})
target_link_libraries(by-cmake quern_tokenizer::quern_tokenizer)
END
cmake -S project -B project/build -DCMAKE_PREFIX_PATH="$PWD/installed" -DEXAMPLE="$example" > cmake.log 2>&1 && cmake --build project/build >> cmake.log 2>&1 || cat cmake.log
run project/build/by-cmake

echo "-- every public name is there, and no other; by both libraries"
grep -oE '\bquern_tokenizer_[a-z_]+\(' installed/include/quern_tokenizer.h | tr -d '(' | sort -u > declared
nm -D --defined-only "$lib/libquern_tokenizer.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort > shared.names
nm -g --defined-only "$lib/libquern_tokenizer.a" | awk 'NF == 3 { print $3 }' | sort > static.names
diff declared shared.names && diff declared static.names && echo "the same"
nm -D --defined-only "$lib/libquern_tokenizer.so" | grep -v ' quern_tokenizer_' | awk '{ print $3 }'
readelf -d "$lib/libquern_tokenizer.so" | sed -nE 's/.*SONAME.*\[(.*)\]/soname \1/p'
readelf -d "$lib/libquern_tokenizer.so" | sed -nE 's/.*NEEDED.*\[(.*)\]/needs \1/p' |
    grep -vE ' (ld-.*|libc\.so\.6|libm\.so\.6|libjansson\.so\.4|libpcre2-8\.so\.0)$'

echo "-- training says nothing but its result"
cat > train.c << 'END'
#include <quern_tokenizer.h>
#include <stdio.h>
int main(void)
{
    struct quern_tokenizer_training training = {.size = sizeof(training), .vocab_size = 258};
    struct quern_tokenizer_trainer *trainer;
    struct quern_tokenizer_text json;
    if (quern_tokenizer_trainer_create(NULL, &trainer) || quern_tokenizer_trainer_add_text(trainer, "the mill, the stones", 20) ||
        quern_tokenizer_trainer_train(trainer, &training, &json))
        return puts(quern_tokenizer_error());
    fwrite(json.bytes, 1, json.size, stdout);
    quern_tokenizer_trainer_release(trainer);
}
END
# shellcheck disable=SC2086
cc -std=c11 $strict train.c -o train $flags && ./train > own.json && printf 'the mill, the stones' | quern-tokenizer encode -t own.json

echo "-- the header by itself"
for compiler in "cc -std=c11 -x c" "cc -std=c17 -x c" "c++ -std=c++11 -x c++" "c++ -std=c++20 -x c++"; do
    # shellcheck disable=SC2086
    echo '#include <quern_tokenizer.h>' | $compiler $strict -fsyntax-only $(pkg-config --cflags quern_tokenizer) -
done

echo "-- from Python, as docs/library.md has it"
sed -n '/^```python$/,/^```$/p' "$QUERN_SOURCE/docs/library.md" | grep -v '^```' > quern.py
cat > use.py << 'END'
import sys, threading
from quern import Tokenizer

text = "The mill grinds.\nTwo stones; 石磨.\n\n"
def use(path, wanted):
    tokenizer = Tokenizer(path)
    ids = tokenizer.encode(text)
    assert ids == wanted and tokenizer.decode(ids) == text
    try:
        tokenizer.decode([10**6])
    except ValueError as error:
        return print(error)
threads = [threading.Thread(target=use, args=(sys.argv[1], [int(i) for i in open("wanted.ids").read().split()]))]
[t.start() for t in threads], [t.join() for t in threads]
END
if command -v python3 > /dev/null; then python3 use.py "$T"; else echo "id 1000000 is not below 1200, the size of the vocabulary"; fi

echo "-- what goes wrong is said"
text | ./in-c nowhere.json
echo "exit $?"

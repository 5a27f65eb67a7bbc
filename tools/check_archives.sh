#!/usr/bin/env bash
# Build the wheel and the sdist that are published, check them, and run the sdist's quick tests on the installed wheel.
#
#   bash tools/check_archives.sh OWNER/NAME v0.1.0 OUT [PYTHON…]
#
# Needs what the extra `release` names. For each PYTHON (by default the one on the path) the tests run in an environment
# of its own, from the unpacked sdist less the package's folder, so that what is tested is what the wheel installed.
# Environments are made all at once, since installing waits for disk and network, and so is the demo in each, which
# compiles the kernels on one core before tests share them; all this gives way to whatever else runs. With
# TESTS_AFTER=FILE the tests wait until nobody has FILE locked.
set -euo pipefail
repository=$1 tag=$2 out=$3
shift 3
[ $# -gt 0 ] || set -- python
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check-manifest
python tools/prepare_release.py "$repository" "$tag" "$work/source"
(cd "$work/source" && python -m build --outdir "$out" . >"$work/build.log" 2>&1) || { cat "$work/build.log"; exit 1; }
sdist=$(ls "$out"/*.tar.gz)
wheel=$(ls "$out"/*.whl)
twine check --strict "$sdist" "$wheel"
pyroma --min 10 "$sdist"

mkdir "$work/unpacked"
tar -xzf "$sdist" -C "$work/unpacked" --strip-components 1
rm -rf "$work/unpacked/matcher"
cd "$work/unpacked"
number=0
makers=()
for python in "$@"; do
    number=$((number + 1))
    { "$python" -m venv "$work/venv$number" &&
        nice -n 19 "$work/venv$number/bin/python" -m pip install -q "$wheel[quick]" &&
        nice -n 19 "$work/venv$number/bin/matcher" demo "$work/demo$number" --quiet; } >"$work/venv$number.log" 2>&1 </dev/null &
    makers+=($!)
done
for number in $(seq $#); do
    wait "${makers[number - 1]}" || { cat "$work/venv$number.log"; exit 1; }
done
[ -z "${TESTS_AFTER:-}" ] || flock "$TESTS_AFTER" true
for number in $(seq $#); do
    python=$work/venv$number/bin/python
    printf '\n--- %s: the installed wheel, the quick tests of the unpacked sdist (%d s)\n' "$("$python" -V)" "$SECONDS"
    tail -n 1 "$work/venv$number.log"
    "$python" -m pytest -m "not slow and not data" </dev/null
    rm -rf "$work/venv$number" &  # so many small files take a minute, in which the next ones run
done
wait

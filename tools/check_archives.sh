#!/usr/bin/env bash
# Build the wheel and the sdist that are published, check them, and run the sdist's quick tests on the installed wheel.
#
#   bash tools/check_archives.sh OWNER/NAME v0.1.0 OUT [PYTHON…]
#
# Needs the extra `release`. For each PYTHON (by default the one on the path) the tests run in an environment of its own,
# from the unpacked sdist less the package's folder, so that what is tested is what the wheel installed.
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
for python in "$@"; do
    printf '\n--- %s: the installed wheel, the quick tests of the unpacked sdist (%d s)\n' "$("$python" -V)" "$SECONDS"
    rm -rf "$work/venv" "$work/demo"
    "$python" -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install -q "$wheel[quick]"
    "$work/venv/bin/matcher" demo "$work/demo" --quiet </dev/null | tail -n 1
    "$work/venv/bin/python" -m pytest -m "not slow and not data" </dev/null
done

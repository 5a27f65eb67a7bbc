#!/usr/bin/env bash
# Build the wheel and the sdist that are published, check them, and run the sdist's quick tests on the installed wheel.
#
#   bash tools/check_archives.sh OWNER/NAME v0.1.0 OUT
#
# Needs the extra `release`. The tests run in an environment of their own, from the unpacked sdist less the package's
# folder, so that what is tested is what the wheel installed.
set -euo pipefail
repository=$1 tag=$2
mkdir -p "$3"
out=$(cd "$3" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check-manifest
python tools/prepare_release.py "$repository" "$tag" "$work/source"
(cd "$work/source" && python -m build --outdir "$out" .)
sdist=$(ls "$out"/*.tar.gz)
wheel=$(ls "$out"/*.whl)
twine check --strict "$sdist" "$wheel"
pyroma --min 10 "$sdist"

mkdir "$work/unpacked"
tar -xzf "$sdist" -C "$work/unpacked" --strip-components 1
rm -rf "$work/unpacked/matcher"
python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q "$wheel[quick]"
cd "$work/unpacked"
"$work/venv/bin/matcher" demo "$work/demo" --quiet </dev/null | tail -n 1
"$work/venv/bin/python" -m pytest -m "not slow and not data" </dev/null

#!/bin/bash
# zipped.sh ARCHIVE FILE…: a zip of the files, all of one date.
set -euo pipefail
archive=$(realpath "$1")
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp --parents "$@" "$folder"
cd "$folder"
find . -exec touch --date="@$SOURCE_DATE_EPOCH" {} +
zip -q -X "$archive" "$@"

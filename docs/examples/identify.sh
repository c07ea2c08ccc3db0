#!/bin/sh
# Says of every face of a photo who it is, or that nobody knows it. A JPEG may be the body itself, without a form.
# usage: identify.sh PHOTO.jpg
set -eu

curl --silent --show-error --fail-with-body --retry 5 \
  --header "Authorization: Bearer $SIGHTLINE_API_KEY" \
  --header 'Content-Type: image/jpeg' \
  --data-binary "@$1" \
  "${SIGHTLINE_URL:-http://127.0.0.1:8080}/v1/identify"

#!/bin/sh
# Prints every face of a photo with its protected template, which is yours to keep: the service does not.
# usage: embeddings.sh PHOTO [int8|float16]
set -eu

curl --silent --show-error --fail-with-body --retry 5 \
  --header "Authorization: Bearer $SIGHTLINE_API_KEY" \
  --form "photo=@$1" \
  "${SIGHTLINE_URL:-http://127.0.0.1:8080}/v1/embeddings?codec=${2:-float16}"

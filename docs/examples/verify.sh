#!/bin/sh
# Compares the face of a photo with another photo, an enrolled person, or a template that embeddings.sh printed.
# usage: verify.sh PHOTO reference=@PHOTO | personId=ID | 'template=<FILE'   [FALSE_MATCH_RATE]
set -eu

curl --silent --show-error --fail-with-body --retry 5 \
  --header "Authorization: Bearer $SIGHTLINE_API_KEY" \
  --form "photo=@$1" \
  --form "$2" \
  "${SIGHTLINE_URL:-http://127.0.0.1:8080}/v1/verify?falseMatchRate=${3:-1e-4}"

#!/bin/sh
# Enrols the one face of a photo: from the answer on, the person is found.
# usage: enrol.sh PERSON_ID PHOTO
set -eu

curl --silent --show-error --fail-with-body --retry 5 \
  --header "Authorization: Bearer $SIGHTLINE_API_KEY" \
  --form "photo=@$2" \
  "${SIGHTLINE_URL:-http://127.0.0.1:8080}/v1/people/$1/faces"

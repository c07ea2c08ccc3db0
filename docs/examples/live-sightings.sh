#!/bin/sh
# Prints each sighting as it is decided, one line of JSON each, until Ctrl-C.
# usage: live-sightings.sh
set -eu

curl --silent --show-error --fail --no-buffer \
  --header "Authorization: Bearer $SIGHTLINE_API_KEY" \
  "${SIGHTLINE_URL:-http://127.0.0.1:8080}/v1/sightings/live" |
  while IFS= read -r line; do
    case $line in
      'data: '*) printf '%s\n' "${line#data: }" ;;
    esac
  done

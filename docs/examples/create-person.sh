#!/bin/sh
# Adds a person, and prints what the service knows of them, their id first of all.
# usage: create-person.sh '{"name": "Ada", "externalId": "employee-7"}'
set -eu

curl --silent --show-error --fail-with-body --retry 5 \
  --header "Authorization: Bearer $SIGHTLINE_API_KEY" \
  --header 'Content-Type: application/json' \
  --data "$1" \
  "${SIGHTLINE_URL:-http://127.0.0.1:8080}/v1/people"

#!/bin/sh
# The least that brings the release back: its tag in the env file, and `docker compose up -d`.
set -eu
sed -i "s/^\(export \)\{0,1\}IMAGE_TAG=.*/IMAGE_TAG=$2/" .env
docker compose up -d

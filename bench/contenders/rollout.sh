#!/bin/sh
# docker-rollout's way (https://github.com/wowu/docker-rollout): scale to two, wait for health, remove the old ones.
set -eu
sed -i "s/^\(export \)\{0,1\}IMAGE_TAG=.*/IMAGE_TAG=$2/" .env
for service in api jobs; do
    old=$(docker compose ps --quiet "$service")
    docker compose up -d --no-deps --no-recreate --scale "$service=2" "$service"
    new=$(docker compose ps --quiet "$service" | grep -v -x -F "$old")
    tries=120
    until [ "$(docker inspect --format '{{.State.Health.Status}}' "$new")" = healthy ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "rollout: $service is not healthy" >&2; exit 1; }
        sleep 0.5
    done
    docker stop "$old" > /dev/null
    docker rm "$old" > /dev/null
done

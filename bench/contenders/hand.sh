#!/bin/sh
# The written runbook, as a good engineer would type it. $1 is the incident, $2 the release to return to; it runs in the
# project's folder. GATEWAY is the public address.
set -eu
compose() { docker compose "$@"; }
answers() { compose exec -T api http-ok 8000 "$1"; }
ready() { compose up -d --wait --wait-timeout 60 api jobs && answers /healthz && answers /readyz; }
incident=$1 target=${2-}

case $incident in
    regression)
        compose pull --quiet api jobs || true
        compose exec -T gateway gate close
        cp .env .env.before
        sed -i "s/^\(export \)\{0,1\}IMAGE_TAG=.*/IMAGE_TAG=$target/" .env
        compose pull --quiet api jobs
        compose up -d --no-deps api jobs
        ready
        compose exec -T gateway gate open
        curl --fail --silent --show-error --output /dev/null "$GATEWAY/orders"
        ;;
    breaking-migration)
        compose exec -T gateway gate close
        compose stop api jobs
        compose exec -T db pg_dump --username shop --dbname shop --format custom > before.dump
        compose run --rm --no-deps --no-TTY api alembic downgrade 0003_heartbeats
        cp .env .env.before
        sed -i "s/^\(export \)\{0,1\}IMAGE_TAG=.*/IMAGE_TAG=$target/" .env
        compose pull --quiet api jobs
        compose up -d --no-deps api jobs
        ready
        compose exec -T gateway gate open
        curl --fail --silent --show-error --output /dev/null "$GATEWAY/orders"
        ;;
    export-leak)
        cp .env .env.before
        sed -i "s/^\(export \)\{0,1\}EXPORT_MODE=.*/EXPORT_MODE=off/" .env
        compose up -d --no-deps api jobs
        ready
        ! curl --fail --silent --output /dev/null "$GATEWAY/exports/orders.csv"
        ;;
    post_deploy)
        ready
        sleep 5
        curl --fail --silent --show-error --output /dev/null "$GATEWAY/orders"
        ! compose logs --since 10m api jobs | grep -q "ERROR"
        ;;
esac

"""The facts of incidents for messages to people, one set per outcome."""

from typing import Any

POINT = {"path": "/srv/shop/.runbook/i-1.dump", "size": 4711, "sha256": "ab" * 32}
LOSS = "column orders.note: 2 rows hold values"
FACTS: dict[str, Any] = {
    "origin": {"tags": ["v2"], "digests": {"api": "sha256:aa", "jobs": "sha256:bb"}},
    "target": {"tag": "v1", "digests": {}},
    "schema": ["r2"],
    "target migrations": {"graph": {"heads": ["r1"]}},
}
APPLICATION = FACTS | {"strategy": "image-only", "verdict": {"verdict": "additive"}}
DOWNGRADE = FACTS | {
    "strategy": "downgrade",
    "verdict": {"verdict": "breaking"},
    "restore point": POINT,
    "loss": [LOSS, "table notes: 7 rows"],
}
BRIDGE = FACTS | {
    "strategy": "bridge",
    "verdict": {"verdict": "breaking"},
    "bridge": {
        "relaxed": [
            {
                "what": "NOT NULL note of orders is lifted",
                "up": ["ALTER TABLE orders ALTER COLUMN note DROP NOT NULL"],
                "down": ["ALTER TABLE orders ALTER COLUMN note SET NOT NULL"],
                "rows": "SELECT * FROM orders WHERE note IS NULL",
            }
        ],
        "touched": [
            {"kind": "column", "name": "public.orders.note", "without": "text not null", "built": "text"},
            {"kind": "constraint", "name": "public.orders.once", "without": "UNIQUE (note)", "built": None},
        ],
    },
}
FORWARD = FACTS | {
    "strategy": "forward-fix",
    "target": {"tag": "v3", "digests": {}},
    "target migrations": {"graph": {"heads": ["r3"]}},
}
_RESTORE = {
    "path": "/srv/shop/.runbook/good.dump",
    "sha256": "cd" * 32,
    "size": 815,
    "made": "2025-12-17 03:00:00 UTC",
    "database": "shop",
    "kept_as": "shop_before_20251218030000",
    "revisions": ["r1"],
    "start": "cd /srv/shop && docker compose up -d api jobs",
    "remove": "docker compose exec -T db psql --command 'DROP DATABASE \"shop_before_20251218030000\"'",
}
#: The facts before a dump is restored, and after it has replaced the live database.
TO_RESTORE: dict[str, Any] = {
    "before": {"tags": ["v2"], "digests": {"api": "sha256:aa"}, "schema": ["r2"]},
    "to restore": _RESTORE,
    "restore point": POINT,
}
RESTORED = TO_RESTORE | {
    "restored": _RESTORE
    | {
        "rows": [
            {"table": "public.notes", "restored": None, "before": 7},
            {"table": "public.orders", "restored": 2, "before": 4},
            {"table": "public.users", "restored": 3, "before": 3},
        ]
    }
}
#: Text that outsiders can put into tags, logs and table names.
HOSTILE = "@here <!channel> **x** [a](http://e) {panel} <b> `c` @octo-cat"

"""The facts of incidents that people are told of, by the way that production went."""

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
#: What people outside of the team can put into tags, logs and names of tables.
HOSTILE = "@here <!channel> **x** [a](http://e) {panel} <b> `c` @octo-cat"

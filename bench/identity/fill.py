#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fill.py FILE COUNT: copies the session that an identity store holds until there are COUNT, each
with a handle, a user and a token hash of its own. For stores that no daemon has open."""
import hashlib
import sqlite3
import sys
import uuid

OWN = {"session_handle", "user_id", "refresh_token_hash_2"}
BATCH = 10_000


def own_values(number):
    return {
        "session_handle": str(uuid.uuid4()),
        "user_id": f"stored-{number}",
        "refresh_token_hash_2": hashlib.sha256(str(number).encode()).hexdigest(),
    }


def main(file, count):
    db = sqlite3.connect(file, isolation_level=None)
    row = db.execute("SELECT * FROM session_info LIMIT 1")
    names = [column[0] for column in row.description]
    model = dict(zip(names, row.fetchone()))
    have = db.execute("SELECT count(*) FROM session_info").fetchone()[0]
    insert = f"INSERT INTO session_info VALUES ({','.join('?' * len(names))})"
    assert OWN <= set(names), names
    for first in range(have, count, BATCH):
        rows = ({**model, **own_values(n)} for n in range(first, min(first + BATCH, count)))
        db.execute("BEGIN")
        db.executemany(insert, (tuple(row[name] for name in names) for row in rows))
        db.execute("COMMIT")


main(sys.argv[1], int(sys.argv[2]))

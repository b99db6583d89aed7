"""Browsers and what they may spend.  A visitor's secret is known to the browser alone; here is its SHA-256.

What is left of the tokens is not written anywhere: it is what was given less what runs cost that have not failed.  So a
run that fails gives its tokens back in the very transaction that says so, whoever writes that.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from narcis.errors import NarcisError
from narcis.records.db import clock, dialect, insert_or_not, reading, writing
from narcis.records.tables import Consent, Order, Person, Photo, Requester, Run, Session, User, new_id, table

TOKENS = 5  # that a guest is given
LASTS = 7 * 86400.0  # seconds
GIVEN_BACK = ("failed", "cancelled")  # runs in these states cost nothing

sessions, users, orders, runs = table(Session), table(User), table(Order), table(Run)
requesters = table(Requester)
people, photos, consents = table(Person), table(Photo), table(Consent)


class Spent(NarcisError):
    """The tokens do not reach."""

    exit_code, status = 1, 402


@dataclass(frozen=True)
class Visitor:
    """A browser that is known, and what it may do."""

    digest: str
    by: str  # as a requester of runs
    role: str  # visitor, operator, admin
    expires: datetime

    @property
    def operates(self) -> bool:
        return self.role in ("operator", "admin")


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def begin(engine: Engine, user: str | None = None, lasts: float = LASTS) -> str:
    """A new browser or program, of a guest or of a user, for so many seconds; its secret of 256 bits is said once."""
    secret = secrets.token_urlsafe(32)
    with writing(engine) as db:
        until = {"created": clock(dialect(db)), "expires": clock(dialect(db), lasts)}
        db.execute(insert(sessions).values(digest=digest(secret), user=user, tokens=TOKENS, **until))
    return secret


def find(engine: Engine, secret: str) -> Visitor | None:
    """The browser of a secret; None for one that is unknown or has expired."""
    with reading(engine) as db:
        known = select(sessions.c.digest, sessions.c.expires, users.c.login, users.c.role)
        known = known.select_from(sessions.outerjoin(users, users.c.id == sessions.c.user))
        alive = sessions.c.expires > clock(dialect(db.connection()))
        row = db.execute(known.where(sessions.c.digest == digest(secret), alive)).first()
    if row is None:
        return None
    return Visitor(row.digest, row.login or guest(row.digest), row.role or "visitor", row.expires)


def guest(digest: str) -> str:
    """A guest as a requester; half of the digest tells them apart."""
    return f"guest:{digest[:32]}"


def end(engine: Engine, visitor: Visitor) -> None:
    with writing(engine) as db:
        db.execute(delete(sessions).where(sessions.c.digest == visitor.digest))


def operator(engine: Engine, login: str, name: str) -> str:
    """The id of a user who operates, made where there is none."""
    with writing(engine) as db:
        known = update(users).where(users.c.login == login).values(role="operator")
        if found := db.scalar(known.returning(users.c.id)):
            return found
        made = insert(users).values(id=new_id(), login=login, name=name, role="operator", created=clock(dialect(db)))
        return db.execute(made.returning(users.c.id)).scalar_one()


# ------------------------------------------------------------------------------------------ tokens
def left(engine: Engine, visitor: Visitor) -> int:
    with reading(engine) as db:
        return remaining(db.connection(), visitor)


def remaining(db: Connection, visitor: Visitor) -> int:
    """What was given less what was spent."""
    given = db.scalar(select(sessions.c.tokens).where(sessions.c.digest == visitor.digest)) or 0
    costs = runs.c.state.not_in(GIVEN_BACK)
    spent = select(func.sum(orders.c.tokens)).join(runs, runs.c.id == orders.c.run)
    return given - (db.scalar(spent.where(orders.c.by == visitor.by, costs)) or 0)


def pay(db: Connection, run: str, visitor: Visitor, words: str, tokens: int, person: str | None) -> None:
    """The order of a run, in the transaction that submits it.  Raises Spent, and then there is no run either.

    The session's row is locked first, so that of two orders at once the second sees what the first has spent.
    """
    db.execute(select(sessions.c.digest).where(sessions.c.digest == visitor.digest).with_for_update())
    if tokens > (has := remaining(db, visitor)):
        raise Spent(f"a portrait costs {tokens} token{'s' * (tokens != 1)}, and {has or 'none'} is left", left=has)
    facts = {"id": new_id(), "run": run, "by": visitor.by, "words": words, "tokens": tokens, "person": person}
    db.execute(insert(orders).values(**facts, created=clock(dialect(db))))


# ------------------------------------------------------------------------------------------ faces
def agree(engine: Engine, visitor: Visitor, words: str, photo: dict[str, Any]) -> str:
    """The visitor has agreed to these words just now, and handed in a photo of themselves; the id of the person.

    The photo is its `sha256`, `key`, `width` and `height`; one that is there already stays.
    """
    with writing(engine) as db:
        when = {"created": clock(dialect(db))}
        db.execute(insert_or_not(dialect(db), people).values(id=new_id(), name=visitor.by, **when))
        person = db.scalars(select(people.c.id).where(people.c.name == visitor.by)).one()
        db.execute(insert_or_not(dialect(db), photos).values(id=new_id(), person=person, **photo, **when))
        db.execute(insert(consents).values(id=new_id(), person=person, words=words, **when))
        return person


def person(engine: Engine, visitor: Visitor) -> str | None:
    """The id of a visitor who has handed in a photo."""
    with reading(engine) as db:
        return db.scalar(select(people.c.id).where(people.c.name == visitor.by))


def forget(engine: Engine, visitor: Visitor, ended: list[str], wholly: bool) -> None:
    """These runs, which have ended, go with orders and pictures; person, photos and consents too, and the browser.

    Not `wholly`: the browser lapses now, and `lapsed` tells of it until what was being painted is deleted too.
    """
    with writing(engine) as db:
        for id in ended:
            db.execute(delete(runs).where(runs.c.id == id))
        db.execute(delete(people).where(people.c.name == visitor.by))
        if wholly:
            db.execute(delete(requesters).where(requesters.c.by == visitor.by))
            db.execute(delete(sessions).where(sessions.c.digest == visitor.digest))
        else:
            expire = update(sessions).where(sessions.c.digest == visitor.digest)
            db.execute(expire.values(expires=clock(dialect(db))))


def lapsed(engine: Engine) -> list[Visitor]:
    """Browsers whose time is over, and what guests among them left is to be deleted."""
    with reading(engine) as db:
        over = sessions.c.expires <= clock(dialect(db.connection()))
        rows = db.execute(select(sessions).where(over, sessions.c.user.is_(None)).limit(100))
        return [Visitor(row.digest, guest(row.digest), "visitor", row.expires) for row in rows]

"""What a client may ask for: each field checked, and every refusal one sentence that names the field."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, NoReturn

TEMPERATURES = 0.01, 100.0  # beyond them the powers of probabilities overflow, or all are equal
WHOLE = 2**53 - 1  # up to it every JSON reader keeps whole numbers exactly


@dataclass(frozen=True)
class Limits:
    """Characters written and given at most, generations at a time, bytes of a body, seconds to wait for a client."""

    length: int = 2000
    prime: int = 2000
    concurrent: int = 2
    body: int = 64 * 1024
    patience: float = 20.0


class RefusedError(Exception):
    """An answer that is an error: its status, one sentence, and the field that is meant, if one is."""

    def __init__(self, status: int, message: str, field: str | None = None):
        super().__init__(message)
        self.status, self.message, self.field = status, message, field


@dataclass(frozen=True)
class Wish:
    """What to generate: the arguments of `walk`."""

    prime: str = ""
    length: int = 200
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0


def parse(body: bytes, limits: Limits) -> Wish:
    """The wish in a JSON body. Raises RefusedError (400) for what is no JSON object, or has a field that cannot be."""
    try:
        asked = json.loads(body, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError too
        raise RefusedError(400, f"the body is no JSON in UTF-8: {error}") from None
    if not isinstance(asked, dict):
        raise RefusedError(400, "the body must be a JSON object")
    known = [field.name for field in fields(Wish)]
    for name in asked:
        if name not in known:
            raise RefusedError(400, f"there is no field {_told(name)}: give {', '.join(known)}")
    chosen: dict[str, Any] = {"length": min(Wish.length, limits.length)} | asked
    wish = Wish(**chosen)
    if not isinstance(wish.prime, str):
        _refuse("prime", "a text", wish.prime)
    if len(wish.prime) > limits.prime:
        raise RefusedError(400, f"prime may have {limits.prime:,} characters, not {len(wish.prime):,}", "prime")
    if not _whole(wish.length, 0, limits.length):
        _refuse("length", f"a whole number from 0 to {limits.length:,}", wish.length)
    if not (_number(wish.temperature, 0, 0) or _number(wish.temperature, *TEMPERATURES)):
        low, high = TEMPERATURES
        _refuse("temperature", f"0 (always the likeliest) or a number from {low:g} to {high:g}", wish.temperature)
    if wish.top_k is not None and not _whole(wish.top_k, 1, WHOLE):
        _refuse("top_k", "null or a whole number from 1 up", wish.top_k)
    if wish.top_p is not None and not (_number(wish.top_p, 0, 1) and wish.top_p > 0):
        _refuse("top_p", "null or a number above 0 and at most 1", wish.top_p)
    if not _whole(wish.seed, 0, WHOLE):
        _refuse("seed", f"a whole number from 0 to {WHOLE:,}", wish.seed)
    return wish


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and _number(value, least, most)


def _number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _refuse(name: str, wanted: str, value: Any) -> NoReturn:
    raise RefusedError(400, f"{name} must be {wanted}, not {_told(value)}", name)


def _told(value: Any) -> str:
    told = json.dumps(value)
    return told if len(told) <= 40 else told[:40] + "…"


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")

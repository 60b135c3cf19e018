"""Tunes in ABC, the notation of folk music in plain text: read, measured, and as MIDI.

A tune here is four lines: its metre, the unit that lengths are counted in, its key, and the notes, bar by bar.

    M:3/4
    L:1/8
    K:G
    D2|G3AB2|A2F2D2|G4|

Of the standard (abcnotation.com, version 2.1) what makes a tune is read; what is only printed is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .errors import DataError
from .text import read_text

WHOLE = 26_880  # ticks of a whole note, so that its 256ths, thirds, fifths and sevenths are whole numbers
METRES = {"C": "4/4", "C|": "2/2"}
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHARPS = {"major": 0, "mixolydian": -1, "dorian": -2, "minor": -3, "phrygian": -4, "locrian": -5, "lydian": 1}
CIRCLE = "FCGDAEB"  # of fifths: the order in which sharps are added
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # so many notes in the time of so many; others in that of 2

_BAR = r"[:|\[\]]*\|[|:\]]*(?:\[?\d)?|::|\[\d"
_TOKEN = re.compile(
    rf"(?P<bar>{_BAR})"
    r"|\((?P<tuplet>[2-9])"
    r"|(?P<chord>\[(?:[_=^]*[A-Ga-gz][,']*[\d/]*)+\])(?P<times>\d{0,3}/*\d{0,3})"
    r"|(?P<accidental>[_=^]*)(?P<step>[A-Ga-gzx])(?P<octave>[,']*)(?P<length>\d{0,3}/*\d{0,3})"
    r"|(?P<broken>[<>]+)|(?P<tie>-)|(?P<other>\S)"
)
_PRINTED = re.compile(r'"[^"]*"|![^!]*!|\+[^+]*\+|\{[^}]*\}|\[[A-Za-z]:[^\]]*\]|[~.HLMOPSTuvy`\\\s]|\((?!\d)|\)')


class Note(NamedTuple):
    """A note: its `start` and its `length` in ticks, `WHOLE` to a whole note; its pitch as in MIDI (60: C)."""

    start: int
    length: int
    pitch: int


class Tune(NamedTuple):
    """What is in a tune's text: a bar's length by its metre, in ticks, its notes, and the lengths of its `bars`."""

    metre: int
    notes: list[Note]
    bars: list[int]

    @property
    def full(self) -> list[bool]:
        """Which bars are as long as the metre says: without the first and the last, which may be one together."""
        return [length == self.metre for length in self.bars[1:-1]]


def folk_tunes(
    path: str | Path | None = None, least: int = 50, longest: int = 400, most: int | None = None
) -> list[str]:
    """Tunes as four lines of up to `longest` characters, each once: folk songs, or those of a file of the user's.

    The songs are the first `most` of the Essen collection (Schaffrath 1995), as music21 ships it, in which every bar is
    full: 7,189 if None. Raises DataError where music21 is missing, or the file has not `least` tunes.
    """
    if path is not None:
        files = [Path(path)]
    elif spec := find_spec("music21"):  # not imported, which takes seconds
        files = sorted(Path(str(spec.origin)).parent.glob("corpus/essenFolksong/*.abc"))
    else:
        raise DataError("these tunes come from the package music21: pip install 'minigrad[data]'")
    found: dict[str, None] = {}
    for file in files:
        text = read_text(file, least=1) if path is not None else file.read_text(encoding="utf-8", errors="replace")
        for part in re.split(r"(?m)^(?=X:)", text):
            tune = plain(part)
            if 0 < len(tune) <= longest and (path is not None or all(parse(tune).full)):
                found[tune] = None
        if most is not None and len(found) >= most:
            break
    if len(found) < least:
        raise DataError(
            f"{path} has {len(found)} tunes in ABC of up to {longest} characters: give at least {least}, each of which "
            "begins with a line X: and has the lines M:, L: and K: before its notes"
        )
    return list(found)[:most]


def plain(text: str) -> str:
    """One tune of a file of ABC as four lines; "" where it is none, or has a metre or key that is not known.

    Where the text says no unit it is an eighth, or a sixteenth for a metre below 3/4, as the standard has it; where a
    line ends with a full bar it has a bar line.
    """
    fields: dict[str, str] = {}
    lines = []
    for line in re.sub(r"(?m)%.*$", "", text).splitlines():
        if field := re.match(r"\s*([A-Za-z]):(?![|:])(.*)", line):
            fields.setdefault(field[1], "".join(field[2].split()))
        elif "K" in fields:
            lines.append(_PRINTED.sub("", line))
    try:
        metre = METRES.get(fields["M"], fields["M"])
        unit = fields.get("L") or ("1/8" if ticks(metre) >= ticks("3/4") else "1/16")
        tune = head = f"M:{metre}\nL:{unit}\nK:{fields['K']}\n"
        held = 0  # ticks since the last bar line
        for line in lines:
            rest = re.split(_BAR, "|" + line)[-1]
            held = sum(parse(f"{head}|{rest}").bars) + (0 if re.search(_BAR, line) else held)
            ends = held == ticks(metre)
            tune, held = tune + line + "|" * ends, 0 if ends else held
        return tune + "\n" if parse(tune).notes else ""
    except (DataError, KeyError, ValueError):
        return ""


def parse(tune: str) -> Tune:
    """The notes and bars of a tune of four lines. Raises DataError for what is no tune, and no note in it."""
    fields = dict(re.findall(r"(?m)^([MLK]):(\S+)$", tune))
    try:
        metre, unit, signs = ticks(fields["M"]), ticks(fields["L"]), key_signature(fields["K"])
    except (KeyError, ValueError) as error:
        raise DataError(f"a tune in ABC has lines M:, L: and K: that can be read, and this has not ({error})") from None
    found: list[Note] = []
    bars, now, began = [], 0, 0
    changed: dict[str, int] = {}  # by accidentals, until the bar ends
    last: dict[str, int] = {}  # the notes struck last, of a chord several, of a rest none: their places in `found`
    length, tuplet, left, tied, broken = 0, 1.0, 0, False, 1.0
    for token in _TOKEN.finditer(tune.rstrip("\n").rpartition("\n")[2]):
        if token["bar"]:
            if now > began:
                bars.append(now - began)
            began, changed = now, {}
        elif token["tuplet"]:
            left = int(token["tuplet"])
            tuplet = TUPLETS.get(left, 2) / left
        elif token["broken"] and length:
            share = 0.5 ** len(token["broken"])
            broken = share if token["broken"][0] == ">" else 2 - share  # of the next; what is before has the rest
            more = round(length * (1 - broken))
            now += more
            for n in last.values():
                found[n] = found[n]._replace(length=found[n].length + more)
        elif token["tie"]:
            tied = True
        elif token["chord"] or token["step"]:
            parts = list(_TOKEN.finditer(token["chord"][1:-1])) if token["chord"] else [token]
            times = _times(parts[0]["length"]) * _times(token["times"] or "") * (tuplet if left else 1)
            length, left, broken = round(unit * times * broken), max(0, left - 1), 1.0
            before, last = last if tied else {}, {}
            for part in parts:
                if part["step"] in "zx":
                    continue
                name = part["step"] + part["octave"]
                if part["accidental"]:
                    changed[name] = part["accidental"].count("^") - part["accidental"].count("_")
                pitch = 60 + STEPS[part["step"].upper()] + 12 * part["step"].islower()
                pitch += 12 * (part["octave"].count("'") - part["octave"].count(","))
                pitch += changed.get(name, signs[part["step"].upper()])
                n = before.get(name, len(found))
                if n < len(found) and (found[n].pitch == pitch or not part["accidental"]):  # also over a bar line
                    found[n] = found[n]._replace(length=found[n].length + length)
                else:
                    n = len(found)
                    found.append(Note(now, length, pitch))
                last[name] = n
            now, tied = now + length, False
        else:
            raise DataError(f"{token[0]!r} in a tune is no note, nor a bar line")
    if now > began:
        bars.append(now - began)
    return Tune(metre, found, bars)


def parsed(text: str) -> Tune | None:
    """The tune that a text is; None where it is none, or has no notes."""
    try:
        tune = parse(text)
    except DataError:
        return None
    return tune if tune.notes else None


def full_bars(tunes: Iterable[Tune]) -> float:
    """The share of full bars in all tunes together; 0 where they have none that counts."""
    full = [bar for tune in tunes for bar in tune.full]
    return sum(full) / len(full) if full else 0.0


def ticks(share: str) -> int:
    """How long a share of a whole note is: "3/4", "1/8". ValueError for what is none."""
    found = re.fullmatch(r"(\d{1,3})/([1-9]\d{0,2})", share)
    if not found or found[1] == "0":
        raise ValueError(f"{share!r} is no share of a whole note")
    return round(WHOLE * int(found[1]) / int(found[2]))


def _times(text: str) -> float:
    """How many units a length is: "" 1, "3" 3, "/" 1/2, "//" 1/4, "3/2" 3/2."""
    above, slash, below = text.partition("/")
    if not slash:
        return int(above or 1)
    return int(above or 1) / (int(below) if below.isdigit() and int(below) else 2 ** text.count("/"))


def key_signature(key: str) -> dict[str, int]:
    """How many semitones each of the seven steps is raised by in a key: G, F#m, Bb, Edor. ValueError for no key."""
    found = re.fullmatch(r"([A-G])([#b]?)([A-Za-z]*)", key)
    mode = (found[3].lower() or "major") if found else ""
    mode = "minor" if mode in ("m", "aeo", "aeolian") else "major" if mode == "ionian" else mode
    modes = [name for name in SHARPS if mode and (name.startswith(mode[:3]) and len(mode) >= 3)]
    if not found or not modes:
        raise ValueError(f"{key!r} is no key")
    sharps = CIRCLE.index(found[1]) - 1 + {"#": 7, "b": -7, "": 0}[found[2]] + SHARPS[modes[0]]
    return {step: (sharps - n + 6) // 7 for n, step in enumerate(CIRCLE)}


def midi(notes: Sequence[Note], quarters_per_minute: int = 120) -> bytes:
    """A Standard MIDI File (format 0) of notes, `quarters_per_minute` fast; those of no length are left out."""
    notes = [note for note in notes if note.length]
    events = [(note.start, 1, note.pitch) for note in notes]
    events += [(note.start + note.length, 0, note.pitch) for note in notes]
    tempo = 60_000_000 // quarters_per_minute
    track, now = b"\x00\xff\x51\x03" + tempo.to_bytes(3, "big"), 0
    for time, on, pitch in sorted(events):
        track += _variable(time - now) + bytes([0x90 if on else 0x80, pitch & 127, 80 if on else 0])
        now = time
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + b"".join(n.to_bytes(2, "big") for n in (0, 1, WHOLE // 4))
    return header + b"MTrk" + len(track).to_bytes(4, "big") + track


def _variable(number: int) -> bytes:
    """A number in MIDI's form: seven bits a byte, the highest bit set in all but the last."""
    found = [number & 127]
    while number := number >> 7:
        found.append(number & 127 | 128)
    return bytes(reversed(found))

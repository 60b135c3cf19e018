"""Tunes in ABC: their notes, bars and MIDI."""

import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.tunes import WHOLE, Note, folk_tunes, full_bars, key_signature, midi, parse, parsed, plain, ticks

HEAD = "M:3/4\nL:1/8\nK:G\n"


def lengths(notes, head=HEAD):
    return [note.length / ticks("1/8") for note in parse(head + notes).notes]


def pitches(notes, head=HEAD):
    return [note.pitch for note in parse(head + notes).notes]


def test_lengths():
    assert lengths("C2 D/ E// F3/2 G/4 zA") == [2, 0.5, 0.25, 1.5, 0.25, 1]
    assert lengths("A>B A<B A>>B") == [1.5, 0.5, 0.5, 1.5, 1.75, 0.25]
    assert lengths("(3ABc d") == [pytest.approx(2 / 3)] * 3 + [1]
    assert lengths("G2-G|[CE]2") == [3, 2, 2]


def test_broken_rhythm_is_of_what_stands_beside_it():
    """A rest, a whole chord, and of a tied note its last part alone."""
    rest = parse(HEAD + "G2|z>A B<z c")
    unit = ticks("1/8")
    assert [(n.start / unit, n.length / unit) for n in rest.notes] == [(0, 2), (3.5, 0.5), (4, 0.5), (6, 1)]
    assert lengths("[CE]>G") == [1.5, 1.5, 0.5]
    assert lengths("G2-G>A") == [3.5, 0.5]
    with pytest.raises(DataError, match="'>' in a tune"):
        parse(HEAD + ">A")


def test_ties():
    assert lengths("[CE]2-[CE]|[CE]-[CG]") == [3, 3, 2, 1, 1]
    assert lengths("G-zG") == [1, 1]
    assert (pitches("^C2-|C2 C2"), lengths("^C2-|C2 C2")) == ([61, 60], [4, 2])  # the accidental is the tied note's
    assert pitches("^C2-|=C2") == [61, 60]


def test_pitches():
    assert pitches("C,Cc'F=F^FF|F") == [
        48,
        60,
        84,
        66,
        65,
        66,
        66,
        66,
    ]  # F is sharp in G, and an accidental lasts a bar
    assert key_signature("Bb") == {"C": 0, "D": 0, "E": -1, "F": 0, "G": 0, "A": 0, "B": -1}
    assert key_signature("F#m") == {"C": 1, "D": 0, "E": 0, "F": 1, "G": 1, "A": 0, "B": 0}
    assert key_signature("Edor") == key_signature("D") == key_signature("Bmin")
    with pytest.raises(ValueError, match="is no key"):
        key_signature("H")


def test_bars():
    tune = parse(HEAD + "D2|G3AB2|A2F2|G6|G4|")
    assert [bar / ticks("1/8") for bar in tune.bars] == [2, 6, 4, 6, 4]
    assert tune.full == [True, False, True]
    assert parse(HEAD + "|:G6:|[1A6:|[2G6|]").bars == [ticks("3/4")] * 3


def test_full_bars():
    """Of 1 of 2 and of 2 of 2 bars that count; tunes of two bars have none that does."""
    tunes = [parse(HEAD + notes) for notes in ("D2|G6|A4|G4|", "D2|G6|A6|G4|", "G6|A6|")]
    assert full_bars(tunes) == 3 / 4
    assert full_bars(tunes[2:]) == full_bars([]) == 0
    assert parsed(HEAD + "G6|") == parse(HEAD + "G6|")
    assert parsed(HEAD + "z6|") is None
    assert parsed("no tune") is None


@pytest.mark.parametrize("text", ["no tune", "M:3/4\nL:1/8\nK:H\nC", HEAD + "C$", HEAD + "CHD", "M:3\nL:1/8\nK:C\nC"])
def test_what_is_no_tune_is_refused(text):
    with pytest.raises(DataError):
        parse(text)


def test_a_tune_of_a_file_loses_what_is_only_printed():
    text = 'X:1\nT:A tune\nM:C|\nK: A minor\n"Am"{g}A2 (AB) ~c4 % a comment\nw: la la\nd4 !trill!e4|\\\nA8|]\n'
    assert plain(text) == "M:2/2\nL:1/8\nK:Aminor\nA2ABc4|d4e4|A8|]\n"
    assert plain("X:1\nM:4/4\nK:C\n") == plain("X:1\nM:free\nK:C\nCDEF") == ""


def test_a_file_of_too_few_tunes_is_refused(tmp_path):
    path = tmp_path / "tunes.abc"
    path.write_text("X:1\nM:3/4\nK:G\nG6|A6|\n\nX:2\nM:3/4\nK:G\nB6|A6|\n")
    assert folk_tunes(path, least=2) == [HEAD + "G6|A6|\n", HEAD + "B6|A6|\n"]
    with pytest.raises(DataError, match=r"has 2 tunes in ABC .* at least 50"):
        folk_tunes(path)


def test_the_shipped_tunes_are_full():
    pytest.importorskip("music21", reason="the tunes are music21's")
    tunes = folk_tunes(most=60)
    assert len(set(tunes)) == 60
    assert all(all(parse(tune).full) for tune in tunes)


def test_a_bar_may_go_on_in_the_next_line():
    assert plain("X:1\nM:3/4\nK:G\nG2A2\nB2\n|:A6\nB4\n") == HEAD + "G2A2B2||:A6|B4\n"


def test_a_tune_of_many_lines_is_read_in_a_time_that_grows_as_they_do():
    lines = 20_000
    tune = plain("X:1\nM:3/4\nK:G\n" + "GABc\n" * lines)  # without a bar line, and no bar of it ends with its line
    assert tune == HEAD + "GABc" * lines + "\n"


def test_notes_of_no_length_are_not_in_midi():
    assert midi(parse(HEAD + "C0D2").notes) == midi([Note(0, WHOLE // 4, 62)])


def test_midi():
    quarter = WHOLE // 4
    data = midi(parse("M:2/4\nL:1/4\nK:C\nCz|E2|").notes, 120)
    assert data[:14] == b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + quarter.to_bytes(2, "big")
    track = data[22:]
    assert int.from_bytes(data[18:22], "big") == len(track)
    assert track[:7] == b"\x00\xff\x51\x03\x07\xa1\x20"  # 500,000 microseconds a quarter
    assert track[7:] == (
        b"\x00\x90\x3c\x50\xb4\x40\x80\x3c\x00"  # C for a quarter: 6,720 ticks are 0x34 · 128 + 0x40
        b"\xb4\x40\x90\x40\x50\xe9\x00\x80\x40\x00\x00\xff\x2f\x00"
    )

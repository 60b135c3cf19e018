"""Films of moving shapes: what is held out, and that a film shows what its caption says."""

import numpy as np
import pytest

from minigrad_rnn.data.moving_shapes import COLORS, DIRECTIONS, SIDE, SPEED, WORDS, Kind, kinds, moving_shapes


@pytest.mark.parametrize("part", range(4))
def test_no_pair_of_things_is_new_in_the_test(part):
    train, test = kinds(part)
    assert (len(train), len(test)) == (48, 16)
    assert not set(train) & set(test)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert len({(kind[a], kind[b]) for kind in test}) == 16
        assert {(kind[a], kind[b]) for kind in test} <= {(kind[a], kind[b]) for kind in train}
    assert {word for kind in train for word in kind.caption} == set(WORDS)


def test_the_parts_are_all_of_the_combinations():
    assert len(set().union(*(kinds(part)[1] for part in range(4)))) == 64


def test_a_film_shows_its_caption():
    shown = [kind for half in kinds() for kind in half]
    films = moving_shapes(shown, 0)
    assert films.shape == (6, 64, 3, 20, 20)
    assert films.dtype == np.float32
    rows, columns = np.mgrid[:20, :20]
    for n, kind in enumerate(shown):
        lit = films[:, n].max(axis=1)
        assert np.ptp(lit.sum(axis=(1, 2))) == 0  # it stays inside
        assert np.array_equal(films[0, n].max(axis=(1, 2)), COLORS[kind.color])
        centers = [((rows * frame).sum() / frame.sum(), (columns * frame).sum() / frame.sum()) for frame in lit]
        assert np.allclose(np.diff(centers, axis=0), np.multiply(SPEED, DIRECTIONS[kind.direction]), atol=1e-4)


def test_the_shapes_are_different_and_their_sizes_are_checked():
    films = moving_shapes([Kind("red", shape, "left") for shape in ("square", "disc", "triangle", "cross")])
    assert [int(n) for n in films[0].sum(axis=(1, 2, 3))] == [SIDE * SIDE, 37, 25, 33]
    assert Kind("red", "disc", "up").caption == ["a", "red", "disc", "moves", "up"]
    with pytest.raises(ValueError, match="a size of at least 17 pixels"):
        moving_shapes([Kind("red", "disc", "up")], size=16)
    with pytest.raises(ValueError, match="give one of red, green, blue, yellow in place of 'pink'"):
        moving_shapes([Kind("pink", "disc", "up")])

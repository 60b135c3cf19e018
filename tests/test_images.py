"""Images as sequences."""

import numpy as np
import pytest

from minigrad_rnn.data.images import pixel_by_pixel

IMAGES = np.arange(2 * 9).reshape(2, 3, 3)


def test_one_pixel_a_step():
    sequences = pixel_by_pixel(IMAGES)
    assert sequences.shape == (9, 2, 1)
    np.testing.assert_array_equal(sequences[:, 1, 0], np.arange(9, 18))


def test_several_pixels_a_step_where_there_would_be_too_many_steps():
    sequences = pixel_by_pixel(IMAGES, most=5)
    assert sequences.shape == (5, 2, 2)
    np.testing.assert_array_equal(sequences[:, 0].ravel(), [*range(9), 0])
    with pytest.raises(ValueError, match="most must be at least 1, not 0"):
        pixel_by_pixel(IMAGES, most=0)

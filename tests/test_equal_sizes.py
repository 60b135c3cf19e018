"""What architectures are compared with: models of equal size, images to learn from, pictures of their shapes."""

import numpy as np
import pytest

import minigrad_rnn as mr
from minigrad.nn import Linear
from minigrad_rnn import plotting
from minigrad_rnn.data import DataError
from minigrad_rnn.data.images import train_and_test
from minigrad_rnn.models import as_large, parameter_count
from minigrad_rnn.pictures import answering
from minigrad_rnn.plotting import plot_images, plot_tagged


def test_parameters_are_counted():
    assert parameter_count(Linear(3, 4)) == 16
    assert parameter_count(mr.LSTM(3, 4)) == 4 * 4 * (3 + 4 + 1)


def test_the_width_of_a_model_as_large_as_another():
    def deep(layers, width):
        return mr.RNN(5, width, num_layers=layers)

    assert as_large(lambda width: deep(1, width), deep(1, 37)) == 37
    width = as_large(lambda width: deep(3, width), deep(1, 100))
    off = [abs(parameter_count(deep(3, w)) - parameter_count(deep(1, 100))) for w in (width - 1, width, width + 1)]
    assert off[1] == min(off)
    assert as_large(lambda width: deep(1, width), deep(1, 100), range(4, 50)) == 49


def test_a_share_of_each_class_is_kept_to_test_on():
    images, classes = np.arange(53).reshape(53, 1, 1), np.repeat([0, 1, 2, 3], [25, 15, 10, 3])
    train, test = train_and_test(images, classes, np.random.default_rng(0))
    assert np.bincount(test[1], minlength=4).tolist() == [5, 3, 2, 0]
    assert np.bincount(train[1]).tolist() == [20, 12, 8, 3]
    seen = np.concatenate([train[0], test[0]]).ravel()
    assert sorted(seen) == list(range(53))
    np.testing.assert_array_equal(classes[seen], np.concatenate([train[1], test[1]]))
    with pytest.raises(DataError, match="no class has 5 examples"):
        train_and_test(images[-4:], classes[-4:], np.random.default_rng(0))


@pytest.mark.parametrize(("steps", "answers"), [(slice(None), 4), (slice(-1, None), 1), (slice(2, None), 2)])
def test_the_shape_of_a_network(steps, answers):
    picture = answering(mr.RNN(2, 3), np.ones((4, 1, 2), "float32"), Linear(3, 2), steps)
    results = [box for box in picture.picture.nodes if (box.name or "").startswith("y_")]
    assert len(results) == answers


def test_images_are_drawn_in_rows():
    rows = {"read": np.zeros((3, 2, 2)), "written": np.ones((3, 2, 2))}
    axes = plot_images(rows, plotting.axes(), ["a", "b", "c"])
    sheet = axes.images[0].get_array()
    assert sheet.shape == (2 * 4, 3 * 4)
    assert (sheet[1, 1], sheet[5, 5]) == (0, 1)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["read", "written"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]


def test_characters_are_drawn_in_the_colour_of_their_tags():
    axes = plot_tagged(["a\n", "b"], ["xy", "x"], {"x": "one", "y": "other"}, plotting.axes())
    drawn = [(text.get_text(), text.get_color()) for text in axes.texts]
    assert drawn == [("a", plotting.COLORS[0]), ("↵", plotting.COLORS[1]), ("b", plotting.COLORS[0])]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "other"]

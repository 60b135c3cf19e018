"""What is written in a drawing, measured where it is seen: in a browser, by bounding boxes."""

import pytest
from browser import open_browser
from test_draw import ALL, both_directions, expression, lstm, mlp, rnn
from test_levels import network, truncated

from minigrad.draw import draw

# Of each text, or formula: its rectangle, what it says, and the box it belongs to, with that one's rectangle.
MEASURE = """() => {
  const found = [];
  for (const e of document.querySelectorAll('text, g > title + g')) {
    const r = e.getBoundingClientRect(), box = e.closest('[data-node]');
    const b = box && box.querySelector('rect').getBoundingClientRect();
    found.push({x: r.left, y: r.top, right: r.right, bottom: r.bottom, text: e.textContent,
                box: b && {x: b.left, y: b.top, right: b.right, bottom: b.bottom}, node: box && box.dataset.node});
  }
  return found;
}"""

pytestmark = pytest.mark.browser
PICTURES = [
    *((make, {"values": True, "backward": True}) for make in ALL),
    *((make, {"level": "gate", "values": True, "backward": True}) for make in (rnn, lstm, both_directions, mlp)),
    *((make, {"locals": True, "backward": True, "shapes": True}) for make in (rnn, lstm, expression)),
    (lambda: network(num_layers=2)[1], {"level": "cell", "values": True, "backward": True}),
    (lambda: network(bidirectional=True)[1], {"level": "rolled"}),
    (lambda: network(num_layers=2, bidirectional=True)[1], {"level": "cell"}),
    (truncated, {"backward": True}),
]


@pytest.fixture(scope="module")
def page():
    with open_browser() as browser:
        yield browser.new_page()


@pytest.mark.parametrize(("make", "options"), PICTURES)
def test_no_two_labels_overlap_and_all_lie_in_their_boxes(page, make, options):
    output = make()
    output.backward()
    page.set_content(f"<body style='margin:0'>{draw(output, **options).svg()}</body>".replace("max-width:100%", ""))
    labels = page.evaluate(MEASURE)
    assert len(labels) > 5
    labels.sort(key=lambda label: label["x"])
    for i, a in enumerate(labels):
        if a["box"]:
            assert a["x"] >= a["box"]["x"] - 0.5, a
            assert a["right"] <= a["box"]["right"] + 0.5, a
            assert a["bottom"] <= a["box"]["bottom"] + 3, a
        for b in labels[i + 1 :]:
            if b["x"] >= a["right"]:
                break
            deep = min(a["right"], b["right"]) - b["x"], min(a["bottom"], b["bottom"]) - max(a["y"], b["y"])
            assert min(deep) <= 0.5, (a["text"], b["text"], deep)

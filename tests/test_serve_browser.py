"""The page of `minigrad-rnn serve`, in a browser: the text grows, a unit colours it, and nothing goes wrong unseen."""

import json

import pytest
from browser import open_browser
from serving import ALPHABET, ask, served, tiny, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.on_numpy]

MARKUP = "<img src=x onerror=document.title='caught'>"
MODEL = tiny(vocabulary=ALPHABET + MARKUP + "ABCxyz")
IDLE = "document.querySelector('#go').textContent === 'Generate'"
COLOURS = "[...document.querySelectorAll('#text span')].map((span) => getComputedStyle(span).backgroundColor)"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser, browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context


@pytest.fixture(scope="module")
def port():
    with served(MODEL, length=100_000, concurrent=2) as (port, _):
        yield port


@pytest.fixture
def page(browser, port):
    """The page, ready; what it says on the console is in `page.said`, and must be nothing unless a test takes it."""
    page = browser.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.said.extend([] if f"127.0.0.1:{port}" in request.url else [request.url]))
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("body[data-ready]")
    yield page
    assert page.said == []
    page.close()


def write(page, prime="hello ", length=60, **fields):
    for name, value in {"prime": prime, "length": length, **fields}.items():
        page.fill(f"#{name}", str(value))
    page.click("#go")
    until(page, IDLE)
    return page.evaluate("document.querySelector('#text').textContent")


def until(page, condition):
    """Wait for a condition (the page's policy forbids Playwright's own waiting, which evaluates a string in it)."""
    wait_until(lambda: page.evaluate(condition), 20)


def unit(page):
    return page.input_value("#layer"), page.input_value("#unit"), page.input_value("#slider")


def test_the_model_is_told(page):
    assert page.inner_text("h1") == page.title() == "tiny.safetensors"
    count = sum(parameter.size for parameter in MODEL.parameters())
    assert page.inner_text("#about") == (
        f"lstm, 2 layers of 16 units, {count:,} parameters, {len(MODEL.vocabulary)} characters"
    )


def test_it_writes_what_the_model_writes(page):
    text = write(page, seed=4)
    assert text == "hello " + "".join(MODEL.continue_text("hello ", 60, 0.8, 4))
    assert page.inner_text("#status").startswith("60 characters in ")
    assert page.locator("#text .given").count() == 6
    page.fill("#prime", "abc")
    page.focus("#temperature")
    page.keyboard.press("Home")
    assert page.inner_text("#temperature-now") == "0"
    page.focus("#prime")
    page.keyboard.press("Control+Enter")
    until(page, f"{IDLE} && document.querySelector('#status').textContent.includes(' s')")
    greedy = "".join(MODEL.continue_text("abc", 60, 0.0))
    assert page.evaluate("document.querySelector('#text').textContent") == "abc" + greedy
    assert write(page, "only read", 0) == "only read"
    page.fill("#length", "20")
    page.click("#another")
    until(page, "document.querySelectorAll('#text span').length === 29")
    until(page, IDLE)


def test_the_text_grows_until_it_is_stopped(page, port):
    page.fill("#length", "100000")
    page.click("#go")
    assert page.inner_text("#go") == "Stop"
    count = "document.querySelectorAll('#text span').length"
    for least in (20, 100):
        until(page, f"{count} > {least}")
        assert page.evaluate("document.querySelector('#progress').value") < 0.5
    assert page.evaluate("(e => e.scrollHeight - e.scrollTop - e.clientHeight)(document.querySelector('#text'))") < 60
    page.click("#go")
    until(page, IDLE)
    assert page.inner_text("#status").startswith("Stopped after ")
    stopped = page.evaluate(count)
    page.wait_for_timeout(100)
    assert page.evaluate(count) == stopped
    assert write(page, length=3)[:6] == "hello "  # and it can be used again


def test_it_can_be_slowed_down_and_stopped_then(page):
    page.select_option("#pace", "8")
    page.fill("#length", "200")
    page.click("#go")
    until(page, "document.querySelectorAll('#text span').length >= 3")
    assert page.locator("#text span").count() < 40  # the server had them all long before
    page.click("#go")
    until(page, IDLE)
    count = page.locator("#text span").count()
    assert page.inner_text("#status") == f"Stopped after {count} characters"
    page.select_option("#pace", "0")
    assert len(write(page, "", 200)) == 200


def test_the_chosen_unit_colours_the_text(page):
    write(page, length=30)
    seen = {}
    for layer in ("0", "1"):
        page.select_option("#layer", layer)
        for number in ("0", "15"):
            page.fill("#unit", number)
            assert unit(page) == (layer, number, number)
            seen[layer, number] = tuple(page.evaluate(COLOURS))
    assert len(set(seen.values())) == 4
    assert all(len(colours) == 36 and len(set(colours)) > 3 for colours in seen.values())
    page.select_option("#layer", "0")
    page.fill("#unit", "0")
    assert tuple(page.evaluate(COLOURS)) == seen["0", "0"]
    # The colour is that of the activation: white towards red or blue, by the size of the number.
    body = {"prime": "hello ", "length": 30, "temperature": 0.8, "seed": 0}
    from minigrad_rnn.serve import walk

    for colour, step in zip(seen["0", "0"], walk(MODEL, **body), strict=True):
        red, _, blue = map(int, colour[4:-1].split(", "))
        value = step.activations[0][0]
        assert abs(value) < 0.01 or (red > blue) == (value > 0)


def test_keys_and_the_map_choose_a_unit(page):
    write(page, length=40)
    page.focus("#text")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert unit(page) == ("1", "1", "1")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#look").startswith("h given · unit 1 of layer 1: ")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#look").startswith("space given")
    page.focus("#slider")
    page.keyboard.press("End")
    assert unit(page)[1] == "15"
    box = page.locator("#heat").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
    assert unit(page)[1] == "15"
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)
    assert unit(page)[1] == "0"
    assert page.get_attribute("#heat", "aria-valuetext") == "unit 0 of layer 1"
    assert "character 24" in page.inner_text("#look")  # the one in the middle of 46
    page.focus("#heat")
    page.keyboard.press("ArrowDown")
    assert unit(page)[1] == "1"


def test_a_character_under_the_pointer_tells_its_numbers(page):
    write(page, length=40, seed=2)
    steps = list(zip(range(46), page.locator("#text span").all(), strict=True))
    number, span = next((n, span) for n, span in steps[10:] if span.inner_text().isalpha())
    span.hover()
    told = page.inner_text("#look")
    assert told.startswith(f"{span.inner_text()} p = 0.")
    assert told.endswith(f"· character {number + 1}")
    assert page.locator("#text .looked").count() == 1


def test_units_that_follow_the_text_are_found(page):
    write(page, "abc. Abc xyz. Az\nab abc\nxyz. ABC abc.\nabc ", 100)
    assert page.locator("#found button").count() == 6
    for name in ("capital letters", "how far into the line", "vowels"):
        page.select_option("#property", name)
        scores = [
            abs(float(text.split("\n")[-1].replace("−", "-"))) for text in page.locator("#found li").all_inner_texts()
        ]
        assert scores == sorted(scores, reverse=True)
        assert all(0.1 < score <= 1 for score in scores)
    page.locator("#found button").nth(1).click()
    layer, number, _ = unit(page)
    assert page.locator("#found button[aria-pressed=true]").inner_text().startswith(f"layer {layer}, unit {number}\n")
    write(page, "abc", 0)
    page.select_option("#property", "digits")
    assert page.inner_text("#found") == "The text has too little of it."


def test_what_the_server_refuses_is_shown(page, port):
    write(page, "naïve", 10)
    assert "does not know the character 'ï'" in page.inner_text("#status")
    assert page.get_attribute("#status", "class") == "wrong"
    assert page.get_attribute("#prime", "aria-invalid") == "true"
    assert page.evaluate("document.activeElement.id") == "prime"
    write(page, "a", 100_001)
    assert page.inner_text("#status") == "Length must be a whole number from 0 to 100,000, not 100001."
    assert page.get_attribute("#length", "aria-invalid") == "true"
    assert page.get_attribute("#prime", "aria-invalid") is None
    assert all("the server responded with a status of 400" in text for text in page.said)
    page.said.clear()
    write(page, "a", 10)
    assert page.get_attribute("#status", "class") == ""


def test_a_server_that_goes_away_is_told(browser):
    page = browser.new_page()
    with served(MODEL, length=100_000) as (port, _):
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("body[data-ready]")
        page.fill("#length", "100000")
        page.click("#go")
        page.wait_for_selector("#text span")
    until(page, IDLE)
    assert page.inner_text("#status") == "The server is stopping."
    page.click("#go")
    until(page, f"{IDLE} && document.querySelector('#status').textContent.includes('answer')")
    assert page.inner_text("#status") == "The server does not answer."
    page.close()


def test_text_is_never_markup(page):
    assert write(page, MARKUP, 80).startswith(MARKUP)
    assert page.locator("#text img").count() == 0
    assert page.title() == "tiny.safetensors"


def luminance(colour):
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_characters_can_be_read_on_every_colour(page, scheme):
    write(page, length=10)
    before = page.evaluate(COLOURS)
    page.emulate_media(color_scheme=scheme)
    if scheme == "dark":
        until(page, f"JSON.stringify({COLOURS}) !== {json.dumps(json.dumps(before, separators=(',', ':')))}")
    pixels = page.evaluate("[...document.querySelector('#scale').getContext('2d').getImageData(0, 0, 255, 1).data]")
    ink = page.evaluate("getComputedStyle(document.querySelector('#text span')).color")
    text = luminance(map(int, ink[4:-1].split(", ")))
    for n in range(255):
        low, high = sorted([text, luminance(pixels[4 * n : 4 * n + 3])])
        assert (high + 0.05) / (low + 0.05) >= 4.5, (n, pixels[4 * n : 4 * n + 3])
    left, middle, right = pixels[:3], pixels[4 * 127 : 4 * 127 + 3], pixels[-4:-1]
    assert left[2] > left[0] + 50
    assert right[0] > right[2] + 50
    assert max(middle) - min(middle) < 30


def test_every_control_has_a_name(page):
    for role in ("textbox", "spinbutton", "slider", "combobox", "button", "status", "progressbar"):
        for node in page.get_by_role(role).all():
            assert role == "status" or node.evaluate(
                "e => Boolean(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())"
            )
    for label in ("Start of the text", "Length", "Seed", "Temperature", "Top k", "Top p", "Layer"):
        assert page.get_by_label(label, exact=False).count() >= 1


def test_it_fits_a_narrow_window(page):
    page.set_viewport_size({"width": 380, "height": 700})
    write(page, length=200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_the_server_is_free_again(port):
    assert ask(port, "POST", "/generate", {"length": 1})[0] == 200

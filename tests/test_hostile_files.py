"""Files changed at random: each loads, or is refused by a CheckpointError, and little memory is taken for it."""

import collections
import contextlib
import copy
import json
import random
import signal
import tracemalloc

import numpy as np
import pytest
import safetensors
from test_serialize import entry, packed

import minigrad as mg
from minigrad.errors import CheckpointError
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.data import Vocabulary

pytestmark = pytest.mark.on_numpy  # tracemalloc counts NumPy's memory, and the loader is the same on all backends

# What stands anywhere in a header instead of what should.
ODD = [
    *[0, 1, -1, 2, 3, 7, 8, 255, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63)],
    *[0.0, 1.5, 1e300, float("nan"), float("inf"), True, False, None],
    *["", "F32", "BF16", "__metadata__", "a\0b", "\ud800", "../x", "os:system", "x" * 500],
    *[[], {}, [0], [[]], [0, 0], {"dtype": "F32"}, [2**62] * 70],
]
TYPES = [
    "BOOL",
    "U8",
    "I8",
    "F16",
    "BF16",
    "I16",
    "F32",
    "I32",
    "U32",
    "F64",
    "I64",
    "C64",
    "F8_E4M3",
    "F4",
    "Q",
    "f32",
]


def split(data):
    """The header of a whole file, and the bytes of its tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def flip(generator, data, _):
    data = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 8])):
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return bytes(data)


def overwrite(generator, data, _):
    start = generator.randrange(len(data))
    new = generator.randbytes(generator.choice([1, 2, 16]))
    return data[:start] + new + data[start + len(new) :]


def cut(generator, data, _):
    start, end = sorted(generator.choices(range(len(data)), k=2))
    return generator.choice([data[:start], data[end:], data[:start] + data[end:]])


def insert(generator, data, _):
    start, end, place = generator.choices(range(len(data)), k=3)
    new = generator.choice([generator.randbytes(8), data[start:end], bytes(generator.randint(1, 64)), b'"{[,:'])
    return data[:place] + new + data[place:]


def change_length(generator, data, _):
    length = int.from_bytes(data[:8], "little")
    near = [max(0, length + by) for by in (-8, -1, 1, 8, len(data), generator.randint(-64, 64))]
    new = generator.choice([*near, 0, 1, 2**24 + 1, 2**32, 2**63, 2**64 - 1])
    return new.to_bytes(8, "little") + data[8:]


def splice(generator, data, other):
    return data[: generator.randrange(len(data))] + other[generator.randrange(len(other)) :]


def join_headers(generator, data, other):
    """The tensors of two files by their names in one, with or without the places moved."""
    (first, a), (second, b) = split(data), split(other)
    if generator.random() < 0.5:
        for name, place in second.items():
            if name != "__metadata__":
                place["data_offsets"] = [n + len(a) for n in place["data_offsets"]]
    return packed(first | second, a + b)


def edit_tensor(generator, data, _):
    """One tensor's dtype, shape, places or name, by a little."""
    header, rest = split(data)
    names = [name for name in header if name != "__metadata__"]
    if not names:
        return packed(header | {"w": entry()}, rest)
    name, other = generator.choices(names, k=2)
    tensor = header[name]
    kind = generator.randrange(7)
    if kind == 0:
        tensor["dtype"] = generator.choice(TYPES)
    elif kind == 1 and tensor["shape"]:
        axis = generator.randrange(len(tensor["shape"]))
        tensor["shape"][axis] = generator.choice([tensor["shape"][axis] + 1, generator.choice(ODD), 0])
    elif kind == 2:
        shape = tensor["shape"]
        tensor["shape"] = generator.choice([shape[::-1], shape[1:], [*shape, 1], [1] * 70 + shape, [*shape, 0]])
    elif kind == 3:
        tensor["data_offsets"][generator.randrange(2)] += generator.choice([-8, -4, -1, 1, 4, 8, 2**62, -(2**62)])
    elif kind == 4:
        tensor["data_offsets"] = header[other]["data_offsets"]
    elif kind == 5:
        header[generator.choice([other, "", "__metadata__", "\ud800", "x" * 300, "a.b\n"])] = header.pop(name)
    else:
        header[name], header[other] = header[other], header[name]
    return packed(header, rest)


def edit_metadata(generator, data, _):
    header, rest = split(data)
    texts = header.setdefault("__metadata__", {})
    name = generator.choice([*texts, "new"])
    value = texts.get(name, "1")
    kind = generator.randrange(5)
    if kind < 2 and value[0] in "{[":
        inside = json.loads(value)
        put_odd(generator, inside)
        texts[name] = json.dumps(inside)
    elif kind == 2:
        texts[name] = generator.choice([*ODD, "1e999", "{}", "[" * 5_000])
    elif kind == 3 and texts:
        texts.pop(generator.choice(list(texts)))
    else:
        place = generator.randrange(len(value) + 1)
        texts[name] = value[:place] + generator.choice('0{}[]",:9e-') + value[place + generator.randrange(3) :]
    return packed(header, rest)


def edit_anywhere(generator, data, _):
    header, rest = split(data)
    put_odd(generator, header)
    return packed(header, rest)


def put_odd(generator, root):
    """Something odd in place of what stands anywhere in what JSON made, or that gone."""
    holders = [root]
    for holder in holders:
        holders += [part for part in _parts(holder).values() if isinstance(part, (dict, list)) and part]
    holder = generator.choice(holders)
    if holder:
        key = generator.choice(list(_parts(holder)))
        if generator.random() < 0.2:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(generator.choice(ODD))


def _parts(holder):
    return holder if isinstance(holder, dict) else dict(enumerate(holder))


def rewrite(generator, data, _):
    """What JSON can say and Python's dicts cannot: names twice, deep nesting, long numbers, other spaces."""
    header, rest = split(data)
    text = json.dumps(header).encode()
    kind = generator.randrange(6)
    if kind == 0 and len(text) > 2:
        text = text[:-1] + b", " + text[1:]
    elif kind == 1:
        depth = generator.choice([10, 1_000, 20_000])
        text = text.replace(b"[", b"[" * depth, 1).replace(b"]", b"]" * depth, 1)
    elif kind == 2:
        text = text.replace(b"0", b"9" * generator.choice([20, 400, 5_000]), 1)
    elif kind == 3:
        text = generator.choice([b" ", b"\n\t", b"\xef\xbb\xbf", b"[", b"\0"]) + text
    elif kind == 4:
        text += generator.choice([b" " * 1_000, b"\n", b"{}", b"\0", b"x"])
    else:
        text = generator.choice([text.decode().encode("utf-16"), b"\xff" + text, text.replace(b'"', b"'")])
    return packed(text, rest)


HEADER_MUTATIONS = [edit_tensor, edit_metadata, edit_anywhere, rewrite, join_headers]
MUTATIONS = [flip, overwrite, cut, insert, change_length, splice, *HEADER_MUTATIONS]


@contextlib.contextmanager
def stopped_if_it_hangs():
    """`pytest.fail` is none of the exceptions that a loader catches."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("a file took more than 20 seconds to load"))
    signal.alarm(20)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def put(path, data):
    """Write in place: a file that is cut to nothing first is flushed to the disk by some file systems."""
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()


def outcomes(files, count, load, path, bound, check=lambda data, loaded: None):
    """Load `count` files made of `files` by MUTATIONS; what came of them, by mutation: "loaded" and "refused".

    `bound` is how many bytes a load may take beyond 64 for each of the file's own.
    """
    generator = random.Random(0)
    found = collections.Counter()
    messages = []
    for data in files:  # imports, and the caches of what makes an error's message
        for text in (data, data[:-1]):
            path.write_bytes(text)
            with contextlib.suppress(CheckpointError):
                load(path)
    tracemalloc.start()
    try:
        for number in range(count):
            mutation = MUTATIONS[number % len(MUTATIONS)]
            data = mutation(generator, generator.choice(files), generator.choice(files))
            put(path, data)
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            try:
                with stopped_if_it_hangs():
                    loaded = load(path)
            except CheckpointError as error:
                messages.append(error.message)
                found[mutation, "refused"] += 1
            else:
                found[mutation, "loaded"] += 1
                check(data, loaded)
            taken = tracemalloc.get_traced_memory()[1] - before
            assert taken <= bound + 64 * len(data), (number, mutation, taken, len(data))
    finally:
        tracemalloc.stop()
    assert sum(found.values()) == count
    for message in messages:
        assert str(path) in message or "in the state" in message or message.startswith("the state"), message
        assert len(message.encode()) < 4_000
    return found


def agrees_with_the_formats_own_reader(data, loaded):
    """What is accepted here the format's own library accepts, and reads the same numbers from."""
    theirs = dict(safetensors.deserialize(data))
    assert loaded.keys() == theirs.keys()
    for name, tensor in loaded.items():
        array = tensor.numpy()
        if theirs[name]["dtype"] == "BF16":
            array = (array.view("<u4") >> 16).astype("<u2")
        assert list(array.shape) == theirs[name]["shape"]
        assert array.tobytes() == bytes(theirs[name]["data"])


def saved(path, state, metadata=None):
    mg.save(path, state, metadata)
    return path.read_bytes()


def test_changed_files_load_or_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "x.safetensors"
    several = {name: rng.normal(size=(3, 4)).astype(name) for name in ("float16", "float32", "float64", "complex64")}
    several |= {"one": np.array(1.5), "none": np.zeros((0, 3)), "mask": rng.random(7) < 0.5, "codes": np.arange(5)}
    halves = {"w": entry("BF16", (2, 3), (0, 12)), "b": entry("F32", (2,), (12, 20))}
    files = [
        saved(path, several, {"config": json.dumps({"sizes": [3, 4]}), "note": "ünï"}),
        saved(path, mg.nn.Linear(5, 3).state_dict()),
        saved(path, {"a": np.ones(100, "float32")}, {"k": "v"}),
        saved(path, {}),
        packed(halves, rng.bytes(20)),
    ]
    found = outcomes(files, 11_000, mg.load, path, 64_000, agrees_with_the_formats_own_reader)
    assert {found[mutation, "refused"] + found[mutation, "loaded"] for mutation in MUTATIONS} == {1_000}
    for mutation in MUTATIONS:
        assert found[mutation, "refused"] > 100, mutation.__name__
    for mutation in (flip, overwrite, edit_tensor, edit_metadata, edit_anywhere, rewrite, join_headers):
        assert found[mutation, "loaded"] > 30, mutation.__name__


def most_memory(load, path):
    """Bytes taken by a load at the most, and the error's message if it is refused."""
    message = ""
    tracemalloc.start()
    try:
        load(path)
    except CheckpointError as error:
        message = error.message
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return taken, message


@pytest.mark.parametrize(
    "data",
    [
        (2**63).to_bytes(8, "little") + b"{}",
        (2**24).to_bytes(8, "little") + b"{}",
        packed({"a": entry("U8", (2**50,), (0, 2**50))}, bytes(8)),
        packed({"a": entry("F64", (2**40, 2**20), (0, 2**63 - 1))}, bytes(8)),
        packed({"a": entry("U8", (2**50, 0), (0, 0)), "b": entry("U8", (2**33,), (0, 2**33))}, bytes(8)),
    ],
)
def test_what_a_file_says_of_its_size_takes_no_memory(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    most_memory(mg.load, tmp_path / "x")  # imports, and the caches of what makes an error's message
    taken, message = most_memory(mg.load, tmp_path / "x")
    assert taken < 100_000
    assert "no whole safetensors file" in message


@pytest.mark.parametrize(
    "what", ["[]", "{}", '{"":0}', "0", '""', '"é"', "[[0]]", "[" * 9 + "]" * 9, '{"":' * 9 + "}" * 9]
)
def test_a_header_takes_some_thirty_times_its_size_at_most(tmp_path, what):
    text = ('{"a":[' + ",".join([what] * (2**18 // len(what))) + "]}").encode()
    (tmp_path / "x").write_bytes(packed(text))
    taken, message = most_memory(mg.load, tmp_path / "x")
    assert taken < 32 * len(text)
    assert "'a' is not described" in message or "more than three deep" in message


@pytest.mark.parametrize(("dtype", "times"), [("F32", 1.3), ("F64", 1.2), ("F16", 1.6), ("BOOL", 1.1), ("BF16", 3.1)])
def test_arrays_take_their_place_once_and_bf16_three_times(tmp_path, dtype, times):
    size = {"F64": 8, "F32": 4, "BOOL": 1}.get(dtype, 2)
    data = packed({"a": entry(dtype, (2**22 // size,), (0, 2**22))}, bytes(2**22))
    (tmp_path / "x").write_bytes(data)
    taken, message = most_memory(lambda path: mg.serialize.load_with_metadata(path, finite=True), tmp_path / "x")
    assert message == ""
    assert 0.99 * 2**22 < taken < times * len(data)


def test_changed_models_load_or_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    files = []
    for cell, layers in (("lstm", 1), ("gru", 2)):
        CharModel(Vocabulary("abc\n"), cell, 2, 3, layers).save(path)
        files.append(path.read_bytes())
    found = outcomes(files, 2_200, CharModel.load, path, 256_000)
    assert sum(found[mutation, "refused"] for mutation in MUTATIONS) > 1_000
    assert found[edit_metadata, "refused"] > 50
    assert found[flip, "loaded"] > 10

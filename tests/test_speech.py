"""Speech: recordings, labels with times, and mel features; eSpeak NG where it is installed."""

import wave

import numpy as np
import pytest

from minigrad_rnn.data import DataError, speech
from minigrad_rnn.data.padding import padded


def tone(hertz, seconds=0.5, rate=16_000):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def test_the_mel_scale():
    assert speech.mel(1000) == pytest.approx(1000, abs=0.1)  # by which it is defined
    filters = speech.mel_filters(26, 512, 16_000)
    assert filters.shape == (26, 257)
    assert np.allclose(filters[:, 20:200].sum(axis=0), 1)  # neighbours overlap by half
    assert filters.max() <= 1


def test_frames_of_a_tone():
    rate = 16_000
    centers = [filters.argmax() * rate / 512 for filters in speech.mel_filters(26, 512, rate)]
    sound = np.concatenate([tone(centers[8]), tone(centers[15])])
    frames = speech.log_mel(sound, rate)
    assert frames.shape == (100, 26)
    assert frames.dtype == np.float32
    assert np.allclose(frames.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(frames.std(axis=0), 1, atol=1e-3)
    assert frames[5:45, 8].min() > 0.9 > 0 > frames[55:95, 8].max()
    assert frames[55:95, 15].min() > 0.9 > 0 > frames[5:45, 15].max()


def test_labels_of_frames():
    said = speech.Utterance(np.zeros(1600), 16_000, ["a", "b", speech.SILENCE], np.array([0.02, 0.05, 0.08]))
    assert speech.label_of_frames(said, 10) == ["-", "-", "a", "a", "a", "b", "b", "b", "-", "-"]
    with pytest.raises(ValueError, match="not known"):
        speech.label_of_frames(said._replace(times=None), 10)


def test_numbers_of_labels():
    said = speech.Utterance(tone(500, 0.1), 16_000, ["-", "b", "a", "-"], np.array([0, 0.03, 0.05, 0.08]))
    spoken = speech.as_numbers([said], ["-", "a", "b"])
    assert spoken.labels[0].tolist() == [2, 1]
    assert spoken.of_frames[0].tolist() == [0, 0, 0, 2, 2, 1, 1, 1, 0, 0]
    assert speech.as_numbers([said._replace(times=None)], ["-", "a", "b"]).of_frames is None
    with pytest.raises(DataError, match="names has no b:"):
        speech.as_numbers([said], ["-", "a"])


def test_contexts_and_stacks():
    frames = np.array([[1.0], [2.0], [3.0]])
    assert speech.in_context(frames, 1).tolist() == [[1, 1, 2], [1, 2, 3], [2, 3, 3]]
    array, lengths = padded([frames, frames[:1]])
    assert array[..., 0].tolist() == [[1, 1], [2, 0], [3, 0]]
    assert lengths.tolist() == [3, 1]
    assert padded([[1.5, 2.5], [3.5]], end=9)[0].tolist() == [[1.5, 3.5], [2.5, 9], [9, 0]]
    assert padded([[1], []], end=9)[0].dtype == np.int64


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_files_of_any_width(tmp_path, width, channels):
    sound = tone(440, 0.2)
    numbers = np.round(sound * (2 ** (8 * width - 1) - 1)).astype("<i8")
    raw = (numbers + 128 * (width == 1)).astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width]
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(16_000)
        file.writeframes(np.repeat(raw, channels, axis=0).tobytes())
    samples, rate = speech.read_wav(tmp_path / "a.wav")
    assert rate == 16_000
    assert np.allclose(samples, sound, atol=2.0 ** (1 - 8 * width) + 1e-6)


def recordings(folder, count=10, suffix=".lab", text="0.1 0.2 a\n0.2 0.3 b\n0.4 0.5 a\n"):
    for n in range(count):
        (folder / f"{n}.wav").write_bytes(speech.wav(tone(300 + n), 16_000))
        (folder / f"{n}{suffix}").write_text(text)


def test_a_folder_with_times(tmp_path):
    recordings(tmp_path)
    said = speech.read_recordings(tmp_path)
    assert len(said) == 10
    assert said[0].labels == ["-", "a", "b", "-", "a", "-"]
    assert said[0].times.tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert np.allclose(said[3].samples, tone(303), atol=1e-4)
    halves = [speech.recordings(tmp_path, 1, 1, rng) for rng in (2, np.random.default_rng(2))]
    assert [[len(half) for half in halves] for halves in halves] == [[8, 2]] * 2
    np.testing.assert_array_equal(halves[0][1][0].samples, halves[1][1][0].samples)


def test_names_in_capitals(tmp_path):
    recordings(tmp_path)
    for path in list(tmp_path.glob("*.wav")):
        path.rename(path.with_suffix(".WAV"))
    assert len(speech.read_recordings(tmp_path)) == 10


def test_long_recordings_are_taken_in_blocks(monkeypatch):
    whole = speech.log_mel(tone(300, 0.5), 16_000)
    monkeypatch.setattr(speech, "AT_ONCE", 7)
    np.testing.assert_allclose(speech.log_mel(tone(300, 0.5), 16_000), whole, atol=1e-5)


def test_a_folder_without_times(tmp_path):
    recordings(tmp_path, suffix=".txt", text="Ab  c\n")
    said = speech.read_recordings(tmp_path)
    assert said[0].labels == ["a", "b", " ", "c"]
    assert said[0].times is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("3.wav", b"RIFF", "is no WAV file"),
        ("3.wav", speech.wav(np.zeros(1600), 16_000), "holds no sound"),
        ("3.wav", speech.wav(tone(300), 8_000), "resample"),
        ("3.lab", b"0.1 0.2", "is no `start end label`"),
        ("3.lab", b"0.3 0.2 a", "is no `start end label`"),
        ("3.lab", b" \n", "has no lines"),
        ("3.lab", b"0.1 0.2 -", "nothing but silence"),
        ("3.lab", b"\xff\xfe", "is no UTF-8"),
    ],
)
def test_wrong_folders(tmp_path, name, content, message):
    recordings(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        speech.read_recordings(tmp_path)


def test_folders_that_are_none(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="at least 10"):
            speech.read_recordings(folder)
    recordings(tmp_path)
    (tmp_path / "7.lab").unlink()
    with pytest.raises(DataError, match=r"7\.lab"):
        speech.read_recordings(tmp_path)


def test_without_espeak_it_is_said_what_to_install(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(speech.ctypes, "CDLL", missing)
    speech._espeak.cache_clear()
    with pytest.raises(DataError, match="apt install espeak-ng"):
        speech.synthesize("hello")
    speech._espeak.cache_clear()


def test_espeak_says_what_it_says_and_when():
    try:
        said = speech.synthesize("see")
    except DataError:
        pytest.skip("eSpeak NG is not installed")
    assert [label for label in said.labels if label != speech.SILENCE] == ["s", "iː"]
    assert (np.diff(said.times) > 0).all()
    assert said.times[-1] <= len(said.samples) / said.rate
    start, end = said.times[said.labels.index("s")], said.times[said.labels.index("iː")]
    hiss, vowel = said.samples[int(start * said.rate) : int(end * said.rate)], said.samples[int(end * said.rate) :]
    crossings = [float((np.diff(np.sign(part)) != 0).mean()) for part in (hiss, vowel[: len(hiss)])]
    assert crossings[0] > 2 * crossings[1]
    with pytest.raises(DataError, match="no voice"):
        speech.synthesize("see", voice="nobody")

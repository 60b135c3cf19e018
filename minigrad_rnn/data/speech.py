"""Speech: recordings, what is said in them and when, and the features that a network reads."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import io
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import DataError
from .padding import padded
from .synthetic import Random
from .text import read_text

SILENCE = "-"
WINDOW, HOP = 0.025, 0.010  # seconds, of a frame and from one to the next
AT_ONCE = 4096  # frames whose spectra are computed together

_COMMON = """
able about above across after again air all also always animal another answer any apple around ask away baby back ball
bath beach bear beauty because become bed before begin behind below best better between big bird black blue boat body
book both box boy bread bridge bring brother brown build busy buy call came car carry catch cause change chair cheese
child choose church city clean clear clock close cloud coat cold come cook corner could country cow cross cut dance
dark day deep door down draw dream dress drink drive early earth easy eat edge eight enough evening every eye face fall
family far farm fast father feather feel few field fight find fire first fish five floor flower fly follow food foot
forest four fresh friend front full game garden gather girl give glass goat going gold good grass great green ground
group grow half hand happy hard hat have hear heart heavy help here high hill hold home hope horse hot house how hundred
ice idea inside island join joy judge jump just keep kind king kitchen know lake large last late laugh lead learn leave
left length letter life light listen little live long look loud love low make many march market measure meat meet middle
milk mind money month moon more morning mother mountain mouth move much music name near never new next night nine noise
north nose nothing number ocean often oil old once only open orange other over page paint paper park path people piece
pleasure place plant play point poor pull push queen quick quiet rain reach ready red rest rich ride right ring river
road rock roof room rose round run sad same sand school sea season second see seven shadow shape sharp she ship shoe
shop short shoulder show sing sister six sky sleep slow small smile snow soft some song soon sound south speak spring
stand star start stay stone stop story street strong such sugar summer sun sure sweet swim table take talk tall teach
tell ten thank that the then thin thing think third this thought thousand three through throw time today together tooth
touch town toy train treasure tree true turn two under until up usual valley vision visit voice wait walk wall want warm
wash watch water way wear weather well west what wheel where which white who why wide wild wind window winter with woman
wonder wood word work world worth write yard year yellow yes you young
"""

WORDS = tuple(_COMMON.split())  # with all the sounds of English
VOICES = {
    "train": tuple(f"en+{variant}" for variant in ("m1", "m2", "m3", "m7", "f1", "f2", "f3", "f5")),
    "test": ("en+m4", "en+f4"),
}


class Utterance(NamedTuple):
    """Something said: `samples` float32 from -1 to 1, `rate` of them a second, and its `labels`: phonemes, or letters.

    `times` has where each label begins, in seconds; None where that is not known.
    """

    samples: np.ndarray
    rate: int
    labels: list[str]
    times: np.ndarray | None = None


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """An espeak_EVENT of espeak-ng/speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


# Of espeak-ng/speak_lib.h.
_LIST_END, _PHONEME = 0, 7
_SYNCHRONOUS, _PHONEME_EVENTS_IPA, _UTF8 = 2, 3, 1
_RATE, _PITCH = 1, 3
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@functools.cache
def _espeak() -> tuple[Any, int]:
    """The library of eSpeak NG, ready to speak, and its sample rate."""
    for name in (ctypes.util.find_library("espeak-ng"), "libespeak-ng.so.1", "libespeak-ng.dylib"):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library:
            rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IPA)
            if rate > 0:
                return library, rate
    raise DataError(
        "speech is made by eSpeak NG, which is not here: install it (apt install espeak-ng, brew install espeak-ng), "
        "or give a folder of recordings (--data DIR)"
    )


def synthesize(text: str, voice: str = "en", speed: int = 160, pitch: int = 50) -> Utterance:
    """`text` as eSpeak NG speaks it, and its phonemes (IPA, `SILENCE` for a pause) with the times they have in it.

    `voice` is a name that `espeak-ng --voices` shows, with a variant (`en+f2`) another speaker's; `speed` is in words a
    minute, `pitch` from 0 to 99. Raises DataError where eSpeak NG is missing, or has no such voice.
    """
    library, rate = _espeak()
    pieces: list[np.ndarray] = []
    found: list[tuple[float, str]] = []

    def heard(samples: Any, count: int, events: Any) -> int:
        if count:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        n = 0
        while events[n].type != _LIST_END:
            if events[n].type == _PHONEME:
                found.append((events[n].sample / rate, events[n].id.string.decode("utf-8", "ignore") or SILENCE))
            n += 1
        return 0

    callback = _Callback(heard)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        raise DataError(f"eSpeak NG has no voice {voice!r}: choose one of `espeak-ng --voices`")
    library.espeak_SetParameter(_RATE, speed, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    said = text.encode()
    library.espeak_Synth(said, ctypes.c_size_t(len(said) + 1), 0, 1, 0, _UTF8, None, None)
    if found and found[0][0] > 0:
        found.insert(0, (0.0, SILENCE))
    kept = [now for n, now in enumerate(found) if not (n and now[1] == found[n - 1][1] == SILENCE)]
    samples = np.concatenate(pieces or [np.zeros(0, np.int16)]) / np.float32(2**15)
    return Utterance(samples, rate, [label for _, label in kept], np.array([time for time, _ in kept]))


def spoken_phrases(train: int, test: int, rng: Random = 0) -> tuple[list[Utterance], list[Utterance]]:
    """Phrases of three of `WORDS` to train on and to test on, spoken by eSpeak NG: see `synthesize`.

    The test has words that are not in training, and other `VOICES`; voice, speed and pitch are drawn for each phrase.
    """
    rng = np.random.default_rng(rng)
    words = rng.permutation(WORDS)
    cut = len(words) // 7
    halves: list[list[Utterance]] = []
    for count, own, voices in ((train, words[cut:], VOICES["train"]), (test, words[:cut], VOICES["test"])):
        halves.append([])
        for _ in range(count):
            said, voice = " ".join(rng.choice(own, 3)), voices[rng.integers(len(voices))]
            halves[-1].append(synthesize(said, voice, int(rng.integers(140, 190)), int(rng.integers(30, 70))))
    return halves[0], halves[1]


def recordings(path: str | Path | None, train: int, test: int, rng: Random) -> tuple[list[Utterance], list[Utterance]]:
    """Utterances to train on and to test on: `spoken_phrases`, `train` and `test` of them, or those of a folder.

    Of a folder's, however many there are, a fifth is for the test, drawn by `rng`. Raises what `spoken_phrases` and
    `read_recordings` raise.
    """
    if path is None:
        return spoken_phrases(train, test, rng)
    every = read_recordings(path)
    order = np.random.default_rng(rng).permutation(len(every))
    return [every[n] for n in order[len(every) // 5 :]], [every[n] for n in order[: len(every) // 5]]


def read_recordings(folder: str | Path) -> list[Utterance]:
    """The WAV files of a folder, by name, each with what is said in a file of the same name beside it.

    All of them have a `.lab`, a line `start end label` for each phoneme, in seconds (as Audacity exports labels), where
    there is none is `SILENCE`; or all have a `.txt`, whose letters, in lower case, are the labels, without times.
    Raises DataError where files are missing or are not so, for sample rates that differ, for one with nothing
    said in it, and for fewer than ten recordings.
    """
    folder = Path(folder)
    sounds = sorted(path for path in folder.glob("*") if path.suffix.lower() == ".wav")
    if len(sounds) < 10:
        raise DataError(f"{folder} is no folder of WAV files: give one of at least 10, each with a .lab or .txt beside")
    suffix = ".lab" if sounds[0].with_suffix(".lab").exists() else ".txt"
    found: list[Utterance] = []
    for path in sounds:
        samples, rate = read_wav(path)
        if found and rate != found[0].rate:
            raise DataError(
                f"{path} has {rate:,} samples a second, and {sounds[0].name} {found[0].rate:,}: resample it"
            )
        said = path.with_suffix(suffix)
        text = read_text(said, least=1)
        if suffix == ".txt":
            letters = list(" ".join(text.lower().split()))
            if not letters:
                raise DataError(f"{said} is empty: write in it what is said in {path.name}")
            found.append(Utterance(samples, rate, letters))
        else:
            found.append(Utterance(samples, rate, *_read_lab(said, text)))
        if set(found[-1].labels) == {SILENCE}:
            raise DataError(f"{said} has nothing but silence ({SILENCE}): leave {path.name} out")
    return found


def read_wav(path: str | Path) -> tuple[np.ndarray, int]:
    """The samples of a WAV file of 8, 16, 24 or 32 bits, float32 from -1 to 1, channels made one; and their rate.

    Raises DataError for another file, and for one of less than a tenth of a second.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except (wave.Error, EOFError, ValueError) as error:
        raise DataError(f"{path} is no WAV file of whole numbers ({error}): save it as 16-bit PCM") from None
    if width > 4 or rate < 1000:
        raise DataError(
            f"{path} has {8 * width} bits and {rate:,} samples a second: save it as 16-bit PCM, 1,000 a second or more"
        )
    raw = raw[: len(raw) // (width * channels) * width * channels].reshape(-1, width)
    numbers = np.zeros((len(raw), 4), np.uint8)
    numbers[:, 4 - width :] = raw ^ 128 if width == 1 else raw  # 8 bits have no sign in these files
    samples = numbers.view("<i4").reshape(-1, channels).mean(axis=1) / 2.0**31
    if len(samples) < rate / 10 or not samples.any():
        raise DataError(f"{path} holds no sound, or less than a tenth of a second: leave it out")
    return samples.astype("float32"), rate


def _read_lab(path: Path, text: str) -> tuple[list[str], np.ndarray]:
    labels: list[str] = []
    times: list[float] = []
    last = 0.0
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            start, end = map(float, fields[:2])
            if len(fields) != 3 or not last <= start < end:
                raise ValueError
        except ValueError:
            raise DataError(
                f"{path}, line {number}: {line[:40]!r} is no `start end label`, in seconds, one after the other"
            ) from None
        if start > last:
            labels, times = [*labels, SILENCE], [*times, last]
        labels, times, last = [*labels, fields[2]], [*times, start], end
    if not labels:
        raise DataError(f"{path} has no lines: write `start end label` for each sound")
    return [*labels, SILENCE], np.array([*times, last])


def wav(samples: np.ndarray, rate: int) -> bytes:
    """A WAV file of 16 bits, one channel, of samples from -1 to 1, `rate` a second."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((np.clip(samples, -1, 1) * (2**15 - 1)).astype("<i2").tobytes())
    return file.getvalue()


def mel(frequency: Any) -> Any:
    """Hertz -> mel: 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)


def mel_filters(bands: int, size: int, rate: int) -> np.ndarray:
    """Triangles on the mel scale from 0 to half the rate, at most 8 kHz: (bands, size // 2 + 1), of a spectrum's power.

    Each rises from its neighbour's centre to its own and falls to the next one's (Davis and Mermelstein 1980).
    """
    edges = np.linspace(0, mel(min(rate / 2, 8000)), bands + 2)
    places = mel(np.fft.rfftfreq(size, 1 / rate))
    rising = (places - edges[:-2, None]) / (edges[1] - edges[0])
    return np.maximum(0, np.minimum(rising, 2 - rising))


def log_mel(samples: np.ndarray, rate: int, bands: int = 26) -> np.ndarray:
    """The log energy in mel bands of frames of 25 ms, one every 10 ms: float32 (frames, bands).

    `rate` is the number of samples a second. Frame t is centred on t · 10 ms. Each band has mean 0 and variance 1 over
    the recording, which takes out how loud it is, and much of whose voice it is.
    """
    window, hop = int(WINDOW * rate), HOP * rate
    frames = max(1, round(len(samples) / hop))
    size = 1 << (window - 1).bit_length()
    filled = np.pad(np.asarray(samples, "float64"), (window // 2, window))
    starts = (np.arange(frames) * hop).astype(int)
    filters, shape, energies = mel_filters(bands, size, rate).T, np.hamming(window), np.empty((frames, bands))
    for first in range(0, frames, AT_ONCE):
        cut = filled[starts[first : first + AT_ONCE, None] + np.arange(window)] * shape
        energies[first : first + AT_ONCE] = np.log(np.abs(np.fft.rfft(cut, size)) ** 2 @ filters + 1e-8)
    return ((energies - energies.mean(axis=0)) / (energies.std(axis=0) + 1e-6)).astype("float32")


def label_of_frames(utterance: Utterance, frames: int) -> list[str]:
    """The label at the centre of each frame of `log_mel`. Raises ValueError where the times are not known."""
    if utterance.times is None:
        raise ValueError("the times of these labels are not known")
    places = np.searchsorted(utterance.times, np.arange(frames) * HOP, side="right") - 1
    return [utterance.labels[place] if place >= 0 else SILENCE for place in places]


def in_context(frames: np.ndarray, reach: int) -> np.ndarray:
    """Each frame with the `reach` before and after it, the first and last repeated: (T, F) -> (T, (2 reach + 1) F)."""
    filled = np.pad(frames, ((reach, reach), (0, 0)), mode="edge")
    return np.concatenate([filled[n : n + len(frames)] for n in range(2 * reach + 1)], axis=1)


class Spoken(NamedTuple):
    """Utterances as numbers: the `frames` of each (T, bands), its `labels`, and the label of each frame (T,).

    0 is no label, `SILENCE` among those of frames. `of_frames` is None where the times are not known.
    """

    frames: list[np.ndarray]
    labels: list[np.ndarray]
    of_frames: list[np.ndarray] | None

    def with_labels(self) -> tuple[np.ndarray, ...]:
        """As CTC wants them: frames (time, N, bands), lengths (N,), labels (N, most), lengths, how many labels (N,)."""
        (frames, lengths), (labels, counts) = padded(self.frames), padded(self.labels)
        return frames, lengths, labels.T, lengths, counts


def as_numbers(utterances: Sequence[Utterance], names: Sequence[str], bands: int = 26) -> Spoken:
    """Utterances as `Spoken`; a label's number is its place in `names`, whose first is `SILENCE`.

    Raises DataError for a label that is not there.
    """
    numbers = {name: n for n, name in enumerate(names)}
    if missing := {label for one in utterances for label in one.labels} - numbers.keys():
        raise DataError(f"names has no {' '.join(sorted(missing))}: give a name for each label")
    frames = [log_mel(one.samples, one.rate, bands) for one in utterances]
    labels = [np.array([numbers[x] for x in one.labels if x != SILENCE], np.int64) for one in utterances]
    if any(one.times is None for one in utterances):
        return Spoken(frames, labels, None)
    named = (label_of_frames(one, len(own)) for one, own in zip(utterances, frames, strict=True))
    return Spoken(frames, labels, [np.array([numbers[x] for x in own], np.int64) for own in named])

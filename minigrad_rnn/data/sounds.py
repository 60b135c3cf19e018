"""Made spectrograms: short sounds in noise, and which came last."""

from __future__ import annotations

import numpy as np

from .synthetic import Random

SIZE = 5  # frames and bands of a sound
SOUNDS = {  # (frames, bands)
    "rise": np.eye(SIZE),
    "fall": np.eye(SIZE)[::-1],
    "tone": np.repeat(np.eye(SIZE)[SIZE // 2][None], SIZE, axis=0),
    "click": np.repeat(np.eye(SIZE)[SIZE // 2][:, None], SIZE, axis=1),
}
NAMES = ("none", *SOUNDS)


def sounds_in_noise(
    count: int, rng: Random = 0, frames: int = 40, bands: int = 24, noise: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Spectrograms float32 (frames, count, bands), and for each frame which of `NAMES` ended last, (frames, count).

    A sound is a tone that rises, falls, or stays, or a click; then there are 2 to 11 frames of pause. Which it is, how
    high, and how loud (from 0.7 to 1.3) is drawn, and normal `noise` is over all. Which sound it is, only its shape
    says; that it was it, only memory says in the pause. Raises ValueError for spectrograms that no sound fits in.
    """
    if frames < 2 * SIZE or bands < SIZE:
        raise ValueError(f"give at least {2 * SIZE} frames of {SIZE} bands, not {frames} of {bands}")
    rng = np.random.default_rng(rng)
    shapes = list(SOUNDS.values())
    found = rng.normal(scale=noise, size=(frames, count, bands))
    heard = np.zeros((frames, count), np.int64)
    for n in range(count):
        t = int(rng.integers(2, SIZE))
        while t + SIZE <= frames:
            kind, band = rng.integers(len(shapes)), rng.integers(bands - SIZE + 1)
            found[t : t + SIZE, n, band : band + SIZE] += rng.uniform(0.7, 1.3) * shapes[kind]
            t += SIZE
            heard[t - 1 :, n] = kind + 1
            t += int(rng.integers(2, 12))
    return found.astype("float32"), heard

"""Check what a demo left in a folder: every file, and a model that beats the bigram model."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from minigrad_rnn.charmodel import CharModel

folder = Path(sys.argv[1])
told = (folder / "told.txt").read_text()
bits, bigram = map(float, re.search(r"Validation: (\d+\.\d+) bits .* bigram model's (\d+\.\d+)", told).groups())
assert bits < bigram - 0.5, f"{bits} bits per character is not clearly below the bigram model's {bigram}"
model = CharModel.load(folder / "model.safetensors")
assert len("".join(model.continue_text("def ", 50, 0.8))) == 50
assert (folder / "loss.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
assert len((folder / "sample.txt").read_text()) > 2500
svg = ElementTree.parse(folder / "unrolled.svg").getroot()
words = [text for text in svg.itertext() if text.strip()]
assert sum("tanh" in word for word in words) >= 8, "an LSTM over four steps has eight tanh"
print(f"demo: {bits} bits per character against {bigram}; all files are right")

"""The systems that can be run: one file each, named after it, all of one shape; read one, and you can read them all."""

PARTS = {
    "A. Cells": (
        "mlp-vs-rnn", "rnn", "lstm", "lstm-no-forget", "lstm-peephole", "lstm-coupled", "gru", "jordan", "tdnn", "narx",
    ),
    "B. Architectures": (
        "deep-rnn", "skip-rnn", "complex-state", "mlp-between", "birnn", "bilstm", "learned-h0", "one-to-one",
        "one-to-many", "many-to-one", "many-to-many", "many-to-many-delayed", "seq2seq", "seq2seq-attention",
        "teacher-forcing", "stop-symbol", "stop-bernoulli", "stop-length", "cldnn", "video-caption",
    ),
    "C. Training, and what goes wrong": (
        "bptt-by-hand", "bptt-steps", "any-divergence", "truncated-bptt", "vanishing", "vanishing-19", "clipping",
        "init-and-relu", "long-lag", "genetic-narx",
    ),
    "D. Exact little networks": ("exercise", "sum-inputs", "which-is-larger", "parity", "binary-addition"),
    "E. Applications": (
        "char-lm", "word-lm", "ngram-baseline", "tdnn-lm", "skip-gram", "cbow", "date-translation", "translation",
        "sentiment", "activity", "mood", "stock", "solar-wind", "speech-frames", "music", "digits",
    ),
}  # fmt: skip

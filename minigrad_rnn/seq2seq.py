"""Sequences to sequences: an encoder reads, a decoder writes.

What a recurrent network can map to what (Karpathy 2015), and what makes it here, with `layer` a `Recurrent`:

    one to one              a module without time: `mg.nn.Sequential`
    many to one             head(last_steps(layer(xs, lengths=lengths)[0], lengths))
    many to many, in step   head(layer(xs, lengths=lengths)[0]), with `sequence_loss` over it
    one to many             `OneToMany`
    many to many, delayed   `Seq2Seq`; by a fixed delay d, head(layer(xs)[0][d:]) of an input padded with d steps
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn import Embedding, Linear, Module

from .attention import Attention, as_mask
from .cells import Cell, State, parts_of
from .layers import Recurrent

STATE_NAMES = {"h": "s", "c": "m"}  # in drawings the decoder's states are not called as the encoder's


class Source(NamedTuple):
    """What the decoder reads of a source at every step; None what it does not read."""

    memory: mg.Tensor | None  # the encoder's outputs, (time, batch, size)
    keys: mg.Tensor | None  # what the attention needs of them
    mask: mg.Tensor | None  # which of them are real, (batch, time)
    context: mg.Tensor | None  # C (batch, size)


class Seq2Seq(Module):
    """An encoder and a decoder, of any cell: `model(sources, targets)` -> logits (time, batch, target vocabulary).

    `source` and `target` are the numbers of symbols, each of which gets an `embedding` numbers wide; or modules that
    make inputs (batch …, embedding) of what stands for a symbol (a `Linear`, for vectors). The encoder is a stack of
    `layers` of `hidden` units, in both directions if `bidirectional`, the decoder one of as many layers. `cell` and
    further `options` are those of `Recurrent`.

    The encoder's context C is the first part of its top layer's final state, of all directions. `start_from` "state"
    starts each layer of the decoder with the final state of the encoder's (Sutskever, Vinyals and Le 2014), of both
    directions through tanh of a `Linear`; "context" with tanh of a `Linear` of C (Cho et al. 2014, appendix A). A part
    of a state that is no vector counts as one long one.

    With `feed_context` a context is an input of the decoder at every step beside the previous symbol, and stands beside
    what its output reads: C (Cho et al. 2014, section 2.2), or the context of an `attention` whose query is the first
    part of the top layer's state before the step (Bahdanau et al. 2015, section 3.1). Without it, C only starts the
    decoder, and an attention asks with the output after the step for what stands beside it in the output layer (Luong
    et al. 2015, section 3). `shared` makes the encoder's embedding and cells the decoder's too.

    `output` makes a step's logits of what it reads, as said; `Linear` to the target vocabulary if None. With `target` a
    module it makes outputs of any kind: the decoder is continuous, and takes targets (time, batch, features).
    `feedback` makes of a step's outputs what the next step reads where it is not given a target: the likeliest symbol
    if None, and in a continuous decoder the outputs themselves. Step 0 reads `start_symbol`; `end_symbol` is kept for
    targets (`padded(words, model.end_symbol)`) and for decoding, `greedy(…, end=model.end_symbol)`.

    Raises ValueError for options that do not go together.
    """

    def __init__(
        self,
        cell: type[Cell] | str,
        source: int | Module,
        target: int | Module,
        embedding: int,
        hidden: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        attention: Attention | None = None,
        feed_context: bool = True,
        start_from: str = "state",
        shared: bool = False,
        output: Module | None = None,
        feedback: Callable[[mg.Tensor], mg.Tensor] | None = None,
        start_symbol: int = 0,
        end_symbol: int = 1,
        dtype: Any = "float32",
        **options: Any,
    ):
        if start_from not in ("state", "context"):
            raise ValueError(f"start_from must be 'state' or 'context', not {start_from!r}")
        if shared and (feed_context or bidirectional or source != target):
            raise ValueError(
                "shared weights want an encoder and a decoder with the same inputs: the same symbols, one direction, "
                "and feed_context=False"
            )
        if output is None and not isinstance(target, int):
            raise ValueError("a target that is a module wants an output module: give output=Linear(…), say")
        self.start_symbol, self.end_symbol = start_symbol, end_symbol
        self.feed_context, self.continuous = feed_context, not isinstance(target, int)
        self.feedback = feedback or (_itself if self.continuous else likeliest)
        self.source_embedding = _embedding(source, embedding, dtype)
        self.encoder = Recurrent(cell, embedding, hidden, layers, bidirectional, dtype=dtype, **options)
        top, directions = self.encoder.cells[-1], self.encoder.directions
        widths = [[math.prod(shape) * directions for shape in _state_shapes(cell)] for cell in self.encoder.cells]
        memory_size, C_size = top.output_size * directions, widths[-1][0]
        context_size = memory_size if attention else C_size if feed_context else 0
        if shared:
            self.target_embedding, self.decoder = self.source_embedding, self.encoder
        else:
            self.target_embedding = _embedding(target, embedding, dtype)
            inputs = embedding + context_size * feed_context
            self.decoder = Recurrent(cell, inputs, hidden, layers, dtype=dtype, **options)
        self.state_shapes = [_state_shapes(cell) for cell in self.decoder.cells]
        self.start_from, self.bridge = start_from, None
        if bidirectional or start_from == "context":
            self.bridge = [  # by layer and part of the state
                [
                    Linear(C_size if start_from == "context" else width, math.prod(shape), dtype=dtype)
                    for width, shape in zip(*layer)
                ]
                for layer in zip(widths[::directions], self.state_shapes)
            ]
        elif self.state_shapes != [_state_shapes(cell) for cell in self.encoder.cells]:
            raise ValueError(
                "the states of encoder and decoder differ in shape: start the decoder with start_from='context'"
            )
        query_size = math.prod(self.state_shapes[-1][0]) if feed_context else top.output_size
        if attention and (attention.query_size, attention.memory_size) != (query_size, memory_size):
            raise ValueError(
                f"the attention must take queries of size {query_size} and memories of size {memory_size}, and takes "
                f"{attention.query_size} and {attention.memory_size}"
            )
        self.attention = attention
        if output is None:
            output = Linear(top.output_size + context_size, target, dtype=dtype)  # type: ignore[arg-type]
        self.output = output

    def forward(
        self, sources: Any, targets: Any, source_lengths: Any = None, teacher_forcing: float = 1.0
    ) -> mg.Tensor:
        """The outputs that go with `targets` (time, batch): those of step t say what target t is.

        `sources` (time, batch), with `source_lengths`, one a sequence. Step 0 reads the start symbol (zeros in a
        continuous decoder), step t target t - 1 with the probability `teacher_forcing`, for each sequence and step
        anew, and otherwise what step t - 1 came to (Bengio et al. 2015, section 2.4). Symbols pass no gradient on;
        continuous outputs do. Raises ShapeError for shapes, ValueError for a probability, that are none.
        """
        return mg.stack(self._write(sources, targets, source_lengths, teacher_forcing)[0])

    def alignment(self, sources: Any, targets: Any, source_lengths: Any = None) -> mg.Tensor:
        """The attention's weights when `targets` (time, batch) are written: (time, batch, time of the sources).

        What is read to write target t stands in row t (Bahdanau et al. 2015, section 5.2.1). Raises ValueError for a
        model without attention.
        """
        if self.attention is None:
            raise ValueError("a model without attention has no weights: make it with attention=…")
        return mg.stack(self._write(sources, targets, source_lengths, 1.0)[1])

    def _write(
        self, sources: Any, targets: Any, source_lengths: Any, teacher_forcing: float
    ) -> tuple[list[mg.Tensor], list[Any]]:
        """The outputs that go with `targets`, and the attention's weights, by step."""
        if not 0 <= teacher_forcing <= 1:
            raise ValueError(f"teacher_forcing is a probability, from 0 to 1, and is {teacher_forcing}")
        states, source = self.encode(sources, source_lengths)
        targets = self._here(targets)
        batch = len(parts_of(states[0])[0])
        if targets.ndim != 2 + self.continuous or targets.shape[1] != batch or len(targets) == 0:
            axes = "(time, batch, features)" if self.continuous else "(time, batch)"
            raise ShapeError(f"targets are {axes}, as many sequences as sources ({batch}), and are {targets.shape}")
        previous = mg.full_like(targets[0], 0 if self.continuous else self.start_symbol)
        outputs, weights = [], []
        for t, target in enumerate(mg.unstack(targets)):
            output, states, read = self._step(previous, states, source, len(sources) + t)
            outputs.append(output)
            weights.append(read)
            previous = target
            if teacher_forcing < 1:
                coins = targets.backend.generator.random((batch, *(1,) * self.continuous))
                previous = mg.where(coins < teacher_forcing, target, self.feedback(output))
        return outputs, weights

    def encode(self, sources: Any, lengths: Any = None) -> tuple[list[State], Source]:
        """The states that the decoder's layers start with, and what it reads at every step."""
        with mg.scope("encoder"):
            memory, state = self.encoder(self.source_embedding(self._here(sources)), lengths=lengths)
        D, ends = self.encoder.directions, _by_cell(state)
        with mg.scope("context"):
            finals = [[_joined(parts) for parts in zip(*ends[n : n + D])] for n in range(0, len(ends), D)]
            context = finals[-1][0]
            if self.start_from == "context":
                finals = [[context] * len(final) for final in finals]
            if self.bridge is not None:
                finals = [[mg.tanh(linear(x)) for linear, x in zip(*layer)] for layer in zip(self.bridge, finals)]
            states = []
            for layer in zip(finals, self.state_shapes):
                start = tuple(_reshaped(x, shape) for x, shape in zip(*layer))
                states.append(start if len(start) > 1 else start[0])
            if self.attention is None:
                return states, Source(None, None, None, _named(context, "C") if self.feed_context else None)
            mask = None if lengths is None else mg.Tensor(as_mask(lengths, memory))
            _named(memory, "H")
            return states, Source(memory, self.attention.keys(memory), mask, None)

    def start(self, sources: Any, lengths: Any = None) -> Any:
        """The state to decode from, as a `Decoder` has it: `greedy(model, model.start(sources), …)`."""
        states, source = self.encode(sources, lengths)
        return states, _swapped(source)

    def step(self, symbols: Any, state: Any) -> tuple[mg.Tensor, Any]:
        """The symbols before (batch), the state -> log-probabilities of the next (batch, vocabulary), the new state."""
        states, source = state
        logits, states, _ = self._step(self._here(symbols), states, _swapped(source))
        return mg.log_softmax(logits), (states, source)

    def _step(
        self, previous: mg.Tensor, states: list[State], source: Source, t: int = 0
    ) -> tuple[mg.Tensor, list[State], Any]:
        """What stands for the last symbol (batch, …), the layers' states -> outputs, states, and weights.

        In drawings it is step t, counted on from the encoder's.
        """
        step, context, after, weights = f"t={t}", source.context, [], None
        if self.attention and self.feed_context:
            context, weights = self._attend(_joined(parts_of(states[-1])[:1]), source, step)
        with mg.scope("decoder", "layer 0", step, "input"):
            x = _named(self.target_embedding(previous), f"y_{t - 1}")
            if self.feed_context:
                x = mg.concatenate([x, context], axis=1)
        for layer, (cell, state) in enumerate(zip(self.decoder.cells, states)):
            with mg.scope("decoder", f"layer {layer}", step, type(cell).__name__):
                if layer:
                    x = self.decoder.dropout(x)
                x, state = cell.step(x, state)
                for name, part in zip(cell.state_names, parts_of(state)):
                    _named(part, f"{STATE_NAMES.get(name, name)}_{t}")
            after.append(state)
        if self.attention and not self.feed_context:
            context, weights = self._attend(x, source, step)
        with mg.scope("decoder", step, "output"):
            if context is not None:
                x = mg.concatenate([x, context], axis=1)
            return _named(self.output(x), f"out_{t}"), after, weights

    def _attend(self, query: mg.Tensor, source: Source, step: str) -> tuple[mg.Tensor, mg.Tensor]:
        with mg.scope("decoder", step, "attention"):
            return self.attention(query, source.memory, source.mask, source.keys)  # type: ignore[misc]

    def _here(self, data: Any) -> mg.Tensor:
        """`data` as a Tensor where the parameters are."""
        backend = next(self.parameters()).backend
        return data if isinstance(data, mg.Tensor) else mg.Tensor(backend.asarray(data))


class OneToMany(Module):
    """One input into a sequence of symbols: `model(inputs, previous)` -> logits (time, batch, symbols); a `Decoder`.

    `reads` makes vectors (batch, hidden) of the inputs. They are the state that the `cell`, of one part, starts with
    (Karpathy 2015); or with `every_step` an input of each step, beside the symbol before, and the first state is 0
    (Goodfellow, Bengio and Courville 2016, figure 10.9). `previous` (time, batch) has the symbols before.
    """

    def __init__(
        self, reads: Module, cell: type[Cell] | str, symbols: int, embedding: int, hidden: int, every_step: bool = False
    ):
        self.reads, self.every_step = reads, every_step
        self.embedding = Embedding(symbols, embedding)
        self.recurrent = Recurrent(cell, embedding + hidden * every_step, hidden)
        self.output = Linear(hidden, symbols)

    def forward(self, inputs: Any, previous: Any) -> mg.Tensor:
        return self._write(previous, *self.start(inputs))[0]

    def start(self, inputs: Any) -> tuple[mg.Tensor, mg.Tensor]:
        """What was read of the inputs, and the first state, both (batch, hidden)."""
        read = self.reads(mg.tensor(inputs))
        return read, mg.zeros_like(read) if self.every_step else read

    def step(self, symbols: Any, state: Any) -> tuple[mg.Tensor, Any]:
        """The symbols before (batch), the state -> log-probabilities of the next (batch, symbols), the new state."""
        logits, h = self._write(mg.expand_dims(mg.tensor(symbols), 0), *state)
        return mg.log_softmax(logits[0]), (state[0], h)

    def _write(self, previous: Any, read: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        xs = self.embedding(mg.tensor(previous))
        if self.every_step:
            xs = mg.concatenate([xs, mg.broadcast_to(read, (len(xs), *read.shape))], axis=2)
        outputs, state = self.recurrent(xs, mg.expand_dims(h, 0))
        return self.output(outputs), state[0]


class ScheduledSampling(Module):
    """A Seq2Seq that reads the truth with the probability `schedule(update)` in training, its own outputs in use.

    `model(sources, targets)` -> outputs (Bengio et al. 2015, section 2.4); updates are counted from 0.
    """

    def __init__(self, seq2seq: Seq2Seq, schedule: Callable[[int], float]):
        self.seq2seq, self.schedule, self.updates = seq2seq, schedule, 0

    def forward(self, sources: Any, targets: Any, source_lengths: Any = None) -> mg.Tensor:
        probability = self.schedule(self.updates) if self.training else 0.0
        self.updates += self.training
        return self.seq2seq(sources, targets, source_lengths, probability)


def likeliest(logits: mg.Tensor) -> mg.Tensor:
    """The symbol with the greatest logit: (batch, vocabulary) -> (batch)."""
    return mg.argmax(logits, axis=-1)


def _itself(outputs: mg.Tensor) -> mg.Tensor:
    return outputs


def _embedding(of: int | Module, size: int, dtype: Any) -> Module:
    return Embedding(of, size, dtype=dtype) if isinstance(of, int) else of


def _by_cell(state: State) -> list[tuple[mg.Tensor, ...]]:
    """The parts of the state of each cell of a `Recurrent`, layers and directions in its order."""
    return [parts_of(own) for own in state] if isinstance(state, list) else list(zip(*map(mg.unstack, parts_of(state))))


def _named(tensor: mg.Tensor, name: str) -> mg.Tensor:
    """`tensor`, which takes the name if it has none."""
    return tensor if tensor.name is not None else tensor.named(name)


def _state_shapes(cell: Cell) -> list[tuple[int, ...]]:
    """The shape of each part of a cell's state, after the batch's axis."""
    return [part.shape[1:] for part in parts_of(cell.initial_state(1))]


def _reshaped(x: mg.Tensor, shape: tuple[int, ...]) -> mg.Tensor:
    """`x` (batch, …) as (batch, *shape); itself if it is."""
    return x if x.shape[1:] == shape else x.reshape(len(x), *shape)


def _joined(parts: Sequence[mg.Tensor]) -> mg.Tensor:
    """Parts of states (batch, …) as one vector for each sequence."""
    vectors = [_reshaped(part, (math.prod(part.shape[1:]),)) for part in parts]
    return vectors[0] if len(vectors) == 1 else mg.concatenate(vectors, axis=1)


def _swapped(source: Source) -> Source:
    """The memory and its keys with time and batch exchanged: a Decoder's state has the batch first."""
    if source.memory is None or source.keys is None:
        return source
    return source._replace(memory=mg.swapaxes(source.memory, 0, 1), keys=mg.swapaxes(source.keys, 0, 1))


def linear_decay(i: float, k: float = 1.0, c: float = 1e-4, least: float = 0.0) -> float:
    """max(least, k - c i): the probability of teacher forcing at iteration i (Bengio et al. 2015, section 2.4)."""
    return max(least, k - c * i)


def exponential_decay(i: float, k: float = 0.9999) -> float:
    """k^i, for k < 1 (Bengio et al. 2015, section 2.4)."""
    if not 0 < k < 1:
        raise ValueError(f"exponential_decay: k must be between 0 and 1, not {k}")
    return k**i


def inverse_sigmoid_decay(i: float, k: float = 1000.0) -> float:
    """k / (k + exp(i / k)), for k ≥ 1 (Bengio et al. 2015, section 2.4)."""
    if not k >= 1:
        raise ValueError(f"inverse_sigmoid_decay: k must be at least 1, not {k}")
    return 1 / (1 + math.exp(min(i / k, 700)) / k)  # exp overflows beyond 709

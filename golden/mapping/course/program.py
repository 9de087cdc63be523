"""How the words of the program come: a word a cycle, from a buffer of beats; see `hw.system.sequencer`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from shiftbook.golden.isa.addresses import LENGTH_WIDTH
from shiftbook.golden.isa.program_format import WORD_WIDTH, Command, header_words
from shiftbook.golden.mapping.course.reader import Reader
from shiftbook.golden.mapping.course.timing import BUFFER_STEPS, NEVER
from shiftbook.golden.spec import Spec

PASS_COMMANDS = len(Command) - 1
"""All but the one that ends the program."""


class Local(NamedTuple):
    """Which tensors of a pass are in the tensor buffer."""

    source: bool = False
    target: bool = False
    residual: bool = False


class Told(NamedTuple):
    """What the memory image has of a pass.

    Attributes
    ----------
    words
        Of the program, up to each of the pass's commands from the one before, see
        `golden.isa.program_format.Command`; of the last pass also up to the end.
    header
        Whether a program begins with this pass, of which the header is read first.
    program
        Beats of the whole program; the default is more than there is.
    streams
        Addresses of its streams, in beats; where they are not given, a longest burst may begin at each.
    local
        What is in the tensor buffer.
    """

    words: tuple[int, ...] = (0, 0, 0, 0)
    header: bool = False
    program: int = 1 << LENGTH_WIDTH
    streams: tuple[int, ...] = ()
    local: Local = Local()


class Program(Reader):
    """The words of a program; whoever carries it out walks through it.

    Parameters
    ----------
    spec
        Bus, buffer.
    told
        What the program is.
    walk
        Makes the walk through this program: `words`, and what happens between them.

    Attributes
    ----------
    now
        The cycle after the last word so far, or what has happened since.
    """

    def __init__(self, spec: Spec, told: Told, walk: Callable[[Program], Iterator[None]]) -> None:
        self.now = 0
        self._spec = spec
        self._each = 8 * spec.bus_bytes // WORD_WIDTH
        self._there: deque[int] = deque()  # for each beat in the buffer, the cycle from which it can be read
        self._word = 0  # of the first beat
        self._unasked = told.program  # beats
        super().__init__(walk(self))

    def begin(self, header: bool) -> Iterator[None]:
        """Read the header, or find the buffer full."""
        if header:
            yield from self._header()
            return
        self._there.extend([0] * min(self._spec.buffer_beats, self._unasked))
        self._unasked -= len(self._there)

    def words(self, count: int) -> Iterator[None]:
        """Take some words, and a burst for each that has room."""
        while count:
            here = min(count, self._each - self._word)
            self.now = max(self.now, self._there[0]) + here
            count -= here
            self._word += here
            if self._word == self._each:
                self._word = 0
                self._there.popleft()
                if len(self._there) <= self._spec.buffer_beats - self._spec.burst_beats:
                    yield from self._fetch()

    def until(self, known: Callable[[], int]) -> Iterator[None]:
        """Wait for a cycle that may not be known yet."""
        while known() == NEVER:
            self.at = NEVER
            yield
        self.now = max(self.now, known())

    def _header(self) -> Iterator[None]:
        """The header alone, which says where the program is; then as much of that as the buffer holds."""
        header = header_words(self._spec)
        yield from self.ask(0, 0, header // self._each)
        self.now = self.burst.first + BUFFER_STEPS + header
        for _ in range(self._spec.buffer_beats // self._spec.burst_beats):
            yield from self._fetch()

    def _fetch(self) -> Iterator[None]:
        """A burst of the program, as soon as possible."""
        beats = min(self._spec.burst_beats, self._unasked)
        if not beats:
            return
        yield from self.ask(self.now, 0, beats)
        self._unasked -= beats
        self._there.extend(range(self.burst.first + BUFFER_STEPS, self.burst.last + BUFFER_STEPS + 1))

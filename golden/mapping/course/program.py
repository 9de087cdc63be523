"""How the words of the program come: a word a cycle, from a buffer of beats; see `hw.system.sequencer`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from shiftbook.golden.isa.addresses import LENGTH_WIDTH
from shiftbook.golden.isa.program_format import WORD_WIDTH, header_words
from shiftbook.golden.mapping.course.reader import Reader
from shiftbook.golden.mapping.course.timing import BUFFER_STEPS, NEVER
from shiftbook.golden.spec import Spec


class Told(NamedTuple):
    """What the memory image has of a pass.

    Attributes
    ----------
    words
        Of the program, before the pass begins to load its input, and after that.
    begun
        Words of the program before these; None: the program begins with this pass.
    program
        Beats of the whole program; the default is more than there is.
    streams
        Addresses of its streams, in beats; where they are not given, a longest burst may begin at each.
    """

    words: tuple[int, int] = (0, 0)
    begun: int | None = 0
    program: int = 1 << LENGTH_WIDTH
    streams: tuple[int, ...] = ()


class Program(Reader):
    """Reads the words of a pass up to the command that loads its input, and the others when it is told to.

    Parameters
    ----------
    spec
        Bus, buffer.
    told
        What it says.

    Attributes
    ----------
    now
        The cycle after the last word so far.
    over
        Whether all words were taken.
    """

    def __init__(self, spec: Spec, told: Told) -> None:
        self.now = 0
        self.over = False
        self._spec = spec
        self._each = 8 * spec.bus_bytes // WORD_WIDTH
        self._there: deque[int] = deque()  # for each beat in the buffer, the cycle from which it can be read
        self._word = 0  # of the first beat
        self._unasked = told.program  # beats
        super().__init__(self._walk(told))

    def go_on(self, cycle: int) -> None:
        """Read the words behind the command, from this cycle on."""
        self.now = cycle
        self.resume()

    def _walk(self, told: Told) -> Iterator[None]:
        if told.begun is None:
            yield from self._header()
        else:
            # Bursts are asked for while a whole one has room, so that more than this is always asked for:
            spec, (taken, self._word) = self._spec, divmod(told.begun, self._each)
            least = taken + spec.buffer_beats - spec.burst_beats
            asked = min((least // spec.burst_beats + 1) * spec.burst_beats, told.program)
            self._there.extend([0] * (asked - taken))
            self._unasked -= asked
        yield from self._take(told.words[0])
        self.at = NEVER
        yield
        yield from self._take(told.words[1])
        self.at = NEVER
        self.over = True

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

    def _take(self, words: int) -> Iterator[None]:
        """Some words, and a burst for each that has room."""
        while words:
            here = min(words, self._each - self._word)
            self.now = max(self.now, self._there[0]) + here
            words -= here
            self._word += here
            if self._word == self._each:
                self._word = 0
                self._there.popleft()
                if len(self._there) <= self._spec.buffer_beats - self._spec.burst_beats:
                    yield from self._fetch()

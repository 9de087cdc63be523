"""How the words of the program come: a word a cycle, from a buffer of beats; see `hw.system.sequencer`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from shiftbook.golden.isa.program_format import WORD_WIDTH, header_words
from shiftbook.golden.mapping.course.reader import Reader
from shiftbook.golden.mapping.course.timing import BUFFER_STEPS, NEVER
from shiftbook.golden.spec import Spec


class Program(Reader):
    """Reads the words of a pass up to the command that loads its input, and the others when it is told to.

    Parameters
    ----------
    spec
        Bus, buffer.
    words
        Before the input is loaded, and after that.
    begun
        Words of the program before; None: the program begins with this pass.

    Attributes
    ----------
    now
        The cycle after the last word so far.
    over
        Whether all words were taken.
    """

    def __init__(self, spec: Spec, words: tuple[int, int], begun: int | None) -> None:
        self.now = 0
        self.over = False
        self._spec = spec
        self._each = 8 * spec.bus_bytes // WORD_WIDTH
        self._there: deque[int] = deque()  # for each beat in the buffer, the cycle from which it can be read
        self._word = 0  # of the first beat
        super().__init__(self._walk(words, begun))

    def go_on(self, cycle: int) -> None:
        """Read the words behind the command, from this cycle on."""
        self.now = cycle
        self.resume()

    def _walk(self, words: tuple[int, int], begun: int | None) -> Iterator[None]:
        if begun is None:
            yield from self._header()
        else:
            # Bursts are asked for while a whole one has room, so that more than this is always asked for:
            spec, (taken, self._word) = self._spec, divmod(begun, self._each)
            least = taken + spec.buffer_beats - spec.burst_beats
            self._there.extend([0] * ((least // spec.burst_beats + 1) * spec.burst_beats - taken))
        yield from self._take(words[0])
        self.at = NEVER
        yield
        yield from self._take(words[1])
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
        yield from self.ask(self.now, 0, self._spec.burst_beats)
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

"""Shares two-term sub-expressions between the outputs of an adder graph, the most frequent first."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator

from shiftbook.synth.unrolled.adder_graph import AdderGraph, Term

Pattern = tuple[int, int, int, int]
"""Two nodes, how much further left the second one is, and whether their signs differ (-1) or not (1)."""

Row = dict[Term, None]
"""The terms of an output, in a fixed order."""


def pattern(one: Term, other: Term) -> Pattern:
    """What two terms have in common with the same two, shifted or negated together, of another output."""
    a, b = (one, other) if one <= other else (other, one)
    return (a.node, b.node, b.shift - a.shift, a.sign * b.sign)


class Sharing:
    """Terms of outputs, among which patterns are replaced until none occurs twice.

    Parameters
    ----------
    graph
        Gets the adders.
    rows
        For every output its terms, no two of them equal; they become fewer.
    """

    def __init__(self, graph: AdderGraph, rows: list[list[Term]]) -> None:
        self.graph = graph
        self.rows: list[Row] = [dict.fromkeys(row) for row in rows]
        self._where: dict[Pattern, dict[int, int]] = defaultdict(dict)  # occurrences by row
        for number, row in enumerate(rows):
            for place, term in enumerate(row):
                for other in row[:place]:
                    self._count(number, pattern(term, other), 1)
        self._queue = [(-len(rows), key) for key, rows in self._where.items() if len(rows) > 1]
        heapq.heapify(self._queue)

    def run(self) -> None:
        """Replace the pattern that the most outputs have, again and again."""
        while self._queue:
            count, key = heapq.heappop(self._queue)
            now = len(self._where[key])
            if now == -count:
                self._replace(key)
            elif now > 1:
                heapq.heappush(self._queue, (-now, key))

    def _replace(self, key: Pattern) -> None:
        first, second, shift, sign = key
        shared = self.graph.add(Term(first, max(0, -shift), 1), Term(second, max(0, shift), sign))
        touched: dict[Pattern, None] = {}
        for number in sorted(self._where[key]):
            for one, other in list(self._pairs(number, key)):
                row = self.rows[number]
                if one not in row or other not in row:  # taken by the pair before
                    continue
                base = min(one.shift, other.shift)
                new = Term(shared.node, shared.shift + base, shared.sign * one.sign)
                if new in row:
                    continue
                self._drop(number, one)
                self._drop(number, other)
                touched |= dict.fromkeys(self._insert(number, new))
        for found in touched:
            if len(self._where[found]) > 1:
                heapq.heappush(self._queue, (-len(self._where[found]), found))

    def _pairs(self, number: int, key: Pattern) -> Iterator[tuple[Term, Term]]:
        """The pairs of terms of an output that fit a pattern."""
        first, second, shift, sign = key
        for one in self.rows[number]:
            other = Term(second, one.shift + shift, one.sign * sign)
            if one.node == first and other != one and other in self.rows[number]:
                yield one, other

    def _drop(self, number: int, term: Term) -> None:
        del self.rows[number][term]
        for other in self.rows[number]:
            self._count(number, pattern(term, other), -1)

    def _insert(self, number: int, term: Term) -> Iterator[Pattern]:
        for other in self.rows[number]:
            key = pattern(term, other)
            self._count(number, key, 1)
            yield key
        self.rows[number][term] = None

    def _count(self, number: int, key: Pattern, change: int) -> None:
        rows = self._where[key]
        rows[number] = rows.get(number, 0) + change
        if not rows[number]:
            del rows[number]


def share(graph: AdderGraph, rows: list[list[Term]], block: int) -> list[list[Term]]:
    """Replace what outputs have in common; return the fewer terms that are left of each.

    Only terms whose places, counted over all nodes that occur, lie in one block are paired: all pairs of a
    layer of thousands of inputs would be too many.

    Parameters
    ----------
    graph
        Gets the adders.
    rows
        For every output its terms, no two of them equal.
    block
        Nodes that are paired with each other.
    """
    nodes = sorted({term.node for row in rows for term in row})
    blocks = {node: place // block for place, node in enumerate(nodes)}
    left: list[list[Term]] = [[] for _ in rows]
    for number in range(-(-len(nodes) // block)):
        sharing = Sharing(graph, [[term for term in row if blocks[term.node] == number] for row in rows])
        sharing.run()
        for own, row in zip(left, sharing.rows, strict=True):
            own.extend(row)
    return left

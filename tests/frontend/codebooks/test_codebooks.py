"""Additive codebooks: every part against brute force on small cases, and the whole on its promises."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from shiftbook.frontend.codebooks import Codebooks, alternation, fit
from shiftbook.frontend.codebooks import update as update_module
from shiftbook.frontend.codebooks.encode import decode, encode
from shiftbook.frontend.codebooks.grid import allowed, nearest, project
from shiftbook.frontend.codebooks.start import residual_kmeans
from shiftbook.frontend.codebooks.update import normal_equations
from shiftbook.frontend.codebooks.vectors import as_vectors, workers
from shiftbook.golden.coding.terms import rows_of, term_count
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT

KINDS = ["alike", "by vector", "by element"]


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def importance_of(kind, count, dim):
    """Importance with a few zeros."""
    if kind == "alike":
        return None
    weights = draw(*((count,) if kind == "by vector" else (count, dim)), seed=9).square()
    return weights * (weights > 0.05)


def drawn_codes(count, books, codewords, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, codewords, (count, books), generator=generator).to(torch.uint8)


def error_of(found, vectors, importance=None):
    data = as_vectors(vectors, importance)
    return float(data.error(data.values - found.decode()).double().sum())


def least_errors(data, codebooks):
    """The error of each vector with its best codes of all."""
    books, codewords, _ = codebooks.shape
    every = torch.tensor(list(product(range(codewords), repeat=books)))
    sums = torch.stack([codebooks[m, every[:, m]] for m in range(books)]).sum(0)
    squares = (data.values[:, None] - sums).square()
    if data.importance is not None:
        squares = squares * data.importance[:, None]
    return squares.sum(2).amin(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("books", "codewords"), [(1, 2), (1, 16), (2, 4), (2, 8)])
def test_search_finds_the_best_codes(books, codewords, kind):
    data = as_vectors(draw(200, 5), importance_of(kind, 200, 5))
    codebooks = draw(books, codewords, 5, seed=2)
    codes = drawn_codes(200, books, codewords)
    with workers(64) as each:
        encode(data, codebooks, codes, range(12 * books * codewords), each)
    errors = data.error(data.values - decode(codebooks, codes))
    torch.testing.assert_close(errors, least_errors(data, codebooks), rtol=1e-4, atol=1e-5)


def test_search_of_three_codebooks_finds_the_best_codes_of_nearly_all_vectors():
    data, codebooks, codes = as_vectors(draw(500, 5), None), draw(3, 4, 5, seed=2), drawn_codes(500, 3, 4)
    with workers() as each:
        encode(data, codebooks, codes, range(100), each)
    errors = data.error(data.values - decode(codebooks, codes))
    best = least_errors(data, codebooks)
    assert bool((errors > best - 1e-4).all())
    assert float((errors < best + 1e-4).float().mean()) > 0.97


@pytest.mark.parametrize("kind", KINDS)
def test_search_never_makes_a_vector_worse(kind):
    data = as_vectors(draw(500, 4), importance_of(kind, 500, 4))
    codebooks = draw(4, 16, 4, seed=2) / 2
    codes = drawn_codes(500, 4, 16)
    before = data.error(data.values - decode(codebooks, codes))
    for first in range(5):
        with workers() as each:
            encode(data, codebooks, codes, range(first, first + 1), each)
        now = data.error(data.values - decode(codebooks, codes))
        assert bool((now <= before + 1e-5).all())
        before = now


@pytest.mark.parametrize("kind", KINDS)
def test_codebooks_are_the_least_squares_of_numpy(kind, monkeypatch):
    monkeypatch.setattr(update_module, "BLOCK", 70)
    count, books, codewords, dim = 300, 3, 8, 4
    data = as_vectors(draw(count, dim), importance_of(kind, count, dim))
    codes = drawn_codes(count, books, codewords)
    normal = normal_equations(data, codes, codewords)
    solved = normal.solve(books)

    chosen = torch.nn.functional.one_hot(codes.long(), codewords).double().flatten(1).numpy()
    weights = np.ones((count, dim)) if data.importance is None else data.importance.expand(-1, dim).numpy()
    for element in range(dim):
        root = np.sqrt(weights[:, element].astype(np.float64))
        expected = np.linalg.lstsq(
            root[:, None] * chosen, root * data.values[:, element].double().numpy(), rcond=None
        )[0]
        assert solved[:, :, element].flatten().numpy() == pytest.approx(expected, abs=1e-6)
    direct = float(data.error(data.values - decode(solved.float(), codes)).sum())
    assert normal.error(solved) == pytest.approx(direct, rel=1e-5)


@pytest.mark.parametrize("terms", [1, 2, 3, 4])
def test_allowed_integers_are_those_of_the_terms(terms):
    expected = [v for v in range(-128, 128) if term_count(rows_of(v, DEFAULT)) <= terms]
    assert allowed(terms).tolist() == expected
    assert allowed(None).tolist() == list(range(-128, 128))


def test_nearest_level():
    values = torch.tensor([-200.0, -0.4, 0.5, 2.9, 5.9, 6.1, 500.0], dtype=torch.float64)
    assert nearest(values, allowed(1)).tolist() == [-128, 0, 1, 2, 4, 8, 64]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("terms", [1, 2, None])
def test_projection_is_as_good_as_any_single_change(terms, kind):
    """No integer can be replaced by another level, at the step found, with a smaller error."""
    data = as_vectors(draw(120, 2), importance_of(kind, 120, 2))
    normal = normal_equations(data, drawn_codes(120, 2, 4), 4)
    levels = allowed(terms)
    integers, step = project(normal, normal.solve(2), levels)
    found = normal.error(integers * step)
    assert bool(torch.isin(integers, levels).all())
    assert found >= normal.error(normal.solve(2))
    for factor in (0.99, 1.01):
        assert normal.error(integers * step * factor) > found
    for place in product(range(2), range(4), range(2)):
        for level in (levels - integers[place]).abs().argsort()[1:3]:
            changed = integers.clone()
            changed[place] = levels[level]
            assert normal.error(changed * step) >= found * (1 - 1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("books", "terms"), [(1, None), (2, 2), (3, 1)])
def test_no_iteration_lets_the_error_grow(books, terms, kind):
    vectors, importance = draw(800, 6) ** 3, importance_of(kind, 800, 6)
    sizes = {"codebooks": books, "codewords": 16, "terms": terms, "importance": importance}
    found = fit(vectors, **sizes, iterations=0)
    errors = []
    for _ in range(8):
        found = fit(vectors, **sizes, iterations=1, start=found)
        errors.append(error_of(found, vectors, importance))
        assert bool(torch.isin(found.integers, allowed(terms).short()).all())
    assert all(now <= before * (1 + 1e-6) for before, now in pairwise(errors))
    assert errors[-1] < errors[0]


def test_types_and_shapes():
    found = fit(draw(300, 3), codebooks=2, codewords=32, iterations=2)
    assert found.integers.shape == (2, 32, 3)
    assert found.integers.dtype == torch.int16
    assert found.codes.shape == (300, 2)
    assert found.codes.dtype == torch.uint8
    assert found.iterations == 2
    torch.testing.assert_close(found.real, found.integers * found.step)
    expected = found.real[0][found.codes[:, 0].int()] + found.real[1][found.codes[:, 1].int()]
    torch.testing.assert_close(found.decode(), expected)


def same(one, other):
    return (
        torch.equal(one.integers, other.integers)
        and torch.equal(one.codes, other.codes)
        and one.step == other.step
        and one.iterations == other.iterations
    )


def test_a_seed_says_everything():
    sizes = {"codebooks": 2, "codewords": 16, "iterations": 3}
    once = fit(draw(600, 4), seed=5, **sizes)
    assert same(once, fit(draw(600, 4), seed=5, **sizes))
    assert not same(once, fit(draw(600, 4), seed=6, **sizes))


def test_a_fit_goes_on_where_it_stopped():
    sizes = {"codebooks": 2, "codewords": 16, "terms": 2}
    half = fit(draw(600, 4), iterations=3, **sizes)
    codes = half.codes.clone()
    assert same(
        fit(draw(600, 4), iterations=3, start=half, **sizes), fit(draw(600, 4), iterations=6, **sizes)
    )
    assert torch.equal(half.codes, codes)


def test_a_start_of_more_terms_is_projected():
    half = fit(draw(600, 4), codebooks=2, codewords=16, iterations=3)
    found = fit(draw(600, 4), codebooks=2, codewords=16, terms=1, iterations=1, start=half)
    assert bool(torch.isin(found.integers, allowed(1).short()).all())


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_make_no_difference(kind):
    vectors, importance = draw(1000, 4), importance_of(kind, 1000, 4)
    sizes = {"codebooks": 2, "codewords": 16, "importance": importance, "iterations": 3}
    assert same(fit(vectors, chunk=137, **sizes), fit(vectors, chunk=1000, **sizes))


def test_torch_gets_its_threads_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with workers():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["by vector", "by element"])
def test_what_has_no_importance_makes_no_difference(kind):
    vectors, importance = draw(600, 4), importance_of(kind, 600, 4)
    free = (importance == 0).reshape(600, -1).expand(-1, 4)
    other = torch.where(free, 1000 * draw(600, 4, seed=3), vectors)
    sizes = {"codebooks": 2, "codewords": 16, "importance": importance, "iterations": 3}
    assert same(fit(vectors, **sizes), fit(other, **sizes))


def test_importance_moves_the_error():
    vectors = draw(2000, 4)
    importance = torch.tensor([100.0, 1, 1, 1]).expand(2000, 4)
    sizes = {"codebooks": 2, "codewords": 16, "iterations": 5}
    plain, weighted = fit(vectors, **sizes), fit(vectors, importance=importance, **sizes)
    first = [float((found.decode() - vectors)[:, 0].square().mean()) for found in (plain, weighted)]
    assert first[1] < first[0] / 5


def rare_vectors():
    """All but three of the vectors are alike."""
    vectors = torch.zeros(1000, 2)
    vectors[:3] = torch.tensor([[3.0, 0.0], [0.0, 4.0], [-2.0, -2.0]])
    return vectors


def test_kmeans_gives_unused_centres_to_rare_vectors():
    data = as_vectors(rare_vectors(), None)
    with workers() as each:
        codes = residual_kmeans(data, 1, 4, torch.Generator().manual_seed(0), each)
    assert len(codes[:4].unique()) == 4


def test_iterations_give_unused_codewords_to_rare_vectors():
    start = start_of(1000, 1, 4, 2)
    found = fit(rare_vectors(), codebooks=1, codewords=4, iterations=10, start=start)
    assert error_of(found, rare_vectors()) < 1e-3


def test_there_may_be_more_codewords_than_vectors():
    vectors = draw(32, 2)
    found = fit(vectors, codebooks=4, codewords=32, iterations=3)
    assert error_of(found, vectors) < 0.1


def test_kmeans_goes_on_with_what_is_left():
    coarse, fine = 10 * draw(4, 3), draw(4, 3, seed=1)
    codes = drawn_codes(500, 2, 4)
    data = as_vectors(coarse[codes[:, 0].int()] + fine[codes[:, 1].int()], None)
    with workers() as each:
        found = residual_kmeans(data, 2, 4, torch.Generator().manual_seed(0), each)
    assert len(found.unique(dim=0)) > 8


def test_rounds_of_an_iteration_follow_those_before(monkeypatch):
    seen = []
    monkeypatch.setattr(alternation, "encode", lambda data, real, codes, rounds, each: seen.extend(rounds))
    fit(draw(64, 2), codebooks=2, codewords=4, iterations=3)
    assert seen == list(range(3 * 2 * alternation.ROUNDS))


def test_vectors_on_a_grid_are_found_exactly():
    table = torch.tensor([[8.0, 0.0], [-8.0, 127.0], [64.0, -1.0], [2.0, 32.0]])
    vectors = table[drawn_codes(400, 1, 4)[:, 0].int()] * 0.25
    found = fit(vectors, codebooks=1, codewords=4, iterations=5)
    assert error_of(found, vectors) < 1e-6


@pytest.mark.parametrize("books", [1, 2])
@pytest.mark.parametrize("terms", [1, None])
@pytest.mark.parametrize("importance", [None, torch.zeros(64)])
def test_zeros_need_nothing(books, terms, importance):
    vectors = torch.zeros(64, 8) if importance is None else draw(64, 8)
    found = fit(vectors, codebooks=books, codewords=16, terms=terms, importance=importance, iterations=3)
    assert not found.integers.any()
    assert found.step == 1
    assert not found.decode().any()


def test_progress_counts_iterations():
    seen = []
    fit(
        draw(64, 2),
        codebooks=1,
        codewords=4,
        iterations=3,
        progress=lambda *state: seen.append(state),
    )
    assert seen == [("fitting codebooks", done, 3) for done in range(4)]


def start_of(codes, books, codewords, dim):
    integers = torch.zeros(books, codewords, dim, dtype=torch.int16)
    return Codebooks(integers, 1.0, torch.zeros(codes, books, dtype=torch.uint8), 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codewords": 12}, "codewords must be a power of two in 2..256, not 12"),
        ({"codewords": 1}, "codewords must be a power of two in 2..256, not 1"),
        ({"codewords": 512}, "codewords must be a power of two in 2..256, not 512"),
        ({"codebooks": 0}, "the number of codebooks must be at least 1, not 0"),
        (
            {"codewords": 64},
            "32 vectors are too few for 64 codewords: take at most 32 codewords, or a smaller",
        ),
        ({"terms": 0}, r"terms must be in 1..4, or None for any integer, not 0"),
        ({"terms": 5}, r"terms must be in 1..4, or None for any integer, not 5"),
        ({"vectors": torch.zeros(32)}, r"vectors must be \[N, d\] with d at least 1, not \[32\]"),
        ({"vectors": torch.zeros(32, 0)}, r"vectors must be \[N, d\] with d at least 1, not \[32, 0\]"),
        ({"vectors": torch.full((32, 2), torch.nan)}, "64 elements of the vectors are NaN or infinite"),
        (
            {"importance": torch.ones(31)},
            r"importance must be \[32\] or \[32, 2\] like the vectors, not \[31\]",
        ),
        ({"importance": -torch.ones(32)}, "32 values of importance are negative, NaN or infinite"),
        (
            {"start": start_of(32, 2, 4, 2)},
            r"the start has codebooks and codes of shapes .* not \(\(1, 4, 2\)",
        ),
        ({"start": start_of(31, 1, 4, 2)}, r"the start has codebooks and codes of shapes .* \(32, 1\)\)"),
    ],
)
def test_bad_input(changes, message):
    arguments = {"vectors": draw(32, 2), "codebooks": 1, "codewords": 4} | changes
    with pytest.raises(ShiftbookError, match=message):
        fit(arguments.pop("vectors"), **arguments)

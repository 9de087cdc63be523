"""Which layers get which ranks, and what of a plan is refused."""

import json

import pytest
import torch
from torch import nn

from shiftbook.frontend.tensor_train.choose import choose, suitable
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.tensor_train.plan_texts import parse_factors, parse_ranks
from shiftbook.frontend.tensor_train.ranks import Point, allot, hull
from shiftbook.golden.errors import ShiftbookError
from tests.frontend.models import layers_of, lively


def network():
    """Four layers to decompose, one with few channels, one that is nearly of rank 2."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 5),
    )
    lively(model)
    with torch.no_grad():
        parts = torch.randn(32, 2), torch.randn(32, 2), torch.randn(3, 3, 2)
        noise = 0.01 * torch.randn(32, 32, 3, 3)
        model[10].weight.copy_(torch.einsum("or,ir,yxr->oiyx", *parts) + noise)
    return model


@pytest.fixture(scope="module")
def graph():
    return layers_of(network(), (3, 8, 8))


def weights(graph, trains):
    total = sum(layer.weight().numel() for layer in graph.convs())
    return total - sum(modes.dense - modes.weights(ranks) for modes, ranks in trains.values())


def test_only_wide_kernels_behind_the_first_layer_are_decomposed(graph):
    assert list(suitable(graph)) == ["2", "4", "6", "10"]


@pytest.mark.parametrize("search", ["energy", "measured", "largest"])
@pytest.mark.parametrize("ratio", [1.3, 2.3, 6.0])
def test_a_ratio_is_met(graph, search, ratio):
    before = [layer.weight().detach().clone() for layer in graph.convs()]
    inputs = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    trains = choose(graph, Plan(ratio=ratio, search=search), inputs)
    total = sum(weight.numel() for weight in before)
    assert weights(graph, trains) <= total / ratio
    for modes, ranks in trains.values():
        assert modes.check(ranks) == ranks
        assert modes.weights(ranks) < modes.dense
    assert all(torch.equal(layer.weight(), w) for layer, w in zip(graph.convs(), before, strict=True))


def test_a_budget_of_macs_is_met(graph):
    trains = choose(graph, Plan(budget=150_000))
    macs = 0
    for layer in graph.convs():
        size = {"0": 64, "2": 64, "14": 1}.get(layer.path, 16)
        if layer.path in trains:
            modes, ranks = trains[layer.path]
            macs += modes.macs(ranks, (layer.input_shape[1] ** 2, size))
        else:
            macs += layer.weight().numel() * size
    assert macs <= 150_000


def test_the_layer_of_low_rank_gives_first(graph):
    assert list(choose(graph, Plan(ratio=1.3))) == ["10"]


def test_a_layer_whose_train_is_larger_stays_dense(graph):
    assert list(choose(graph, Plan(ranks={"2": (4, 4), "6": (4, 4)}))) == ["6"]


def test_the_hull_leaves_out_what_never_pays():
    points = [Point(None, 10, 0.0), Point((3,), 8, 5.0), Point((2,), 6, 2.0), Point((1,), 2, 10.0)]
    assert [point.cost for point in hull(points)] == [10, 6, 2]


def test_what_saves_most_for_its_harm_is_taken_first():
    offers = {
        "a": [Point(None, 10, 0.0), Point((1,), 4, 6.0)],
        "b": [Point(None, 10, 0.0), Point((1,), 4, 3.0)],
    }
    assert {name: point.cost for name, point in allot(offers, 15).items()} == {"a": 10, "b": 4}


def test_cores_learn_slower_after_admm():
    assert Plan(core_epochs=1).rate_of_cores(0.06) == 0.06
    assert Plan(core_epochs=1, admm_epochs=1).rate_of_cores(0.06) == pytest.approx(0.01)
    assert Plan(core_epochs=1, admm_epochs=1, core_rate=0.5).rate_of_cores(0.06) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 1.0}, "ratio must be above 1 and finite, not 1.0"),
        ({"ratio": float("nan")}, "ratio must be above 1 and finite, not nan"),
        ({"budget": 0}, "the budget of MACs must be at least 1, not 0"),
        ({"ratio": 2.0, "budget": 5}, "give one of ranks, ratio and budget, not ratio and budget"),
        ({"search": "best"}, "search must be one of ('energy', 'measured', 'largest'), not 'best'"),
        ({"admm_epochs": -1}, "epochs of ADMM and of the cores must be at least 0, not (-1, 0)"),
        ({"rho": 0.0}, "rho must be positive and finite, not 0.0"),
        ({"core_rate": 0.0}, "the rate of the cores must be positive and finite, not 0.0"),
        ({"updates": 0}, "updates must be at least 1 an epoch, not 0"),
    ],
)
def test_a_bad_plan_is_refused(options, message):
    with pytest.raises(ShiftbookError) as error:
        Plan(**options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 50.0}, "the least that ranks of 1 leave is 1,500, more than the budget of 420"),
        ({"budget": 10, "search": "largest"}, "the least that ranks of 1 leave is"),
        ({"ranks": {"7": (1, 1)}}, "ranks name '7', which is no layer to decompose: choose of 2, 4, 6, 10"),
        ({"ranks": {"6": (33, 1)}}, "layer 6: ranks must be from 1 up to 32x32 for modes 32x9x32, not 33x1"),
        ({"ranks": {"2": (4, 4)}}, "no layer becomes smaller by a tensor train: ask for"),
        (
            {"factors": {32: (4, 4)}},
            "layer 4: the factors of 32 output channels must multiply to 32, not 4x4",
        ),
        ({"search": "measured"}, "the search 'measured' needs calibration images"),
    ],
)
def test_a_plan_that_does_not_fit_the_network_is_refused(graph, options, message):
    with pytest.raises(ShiftbookError) as error:
        choose(graph, Plan(**options))
    assert str(error.value).startswith(message)


def test_ranks_and_factors_are_read(tmp_path):
    assert parse_ranks("layer1.*=8x6, b=3x4") == {"layer1.*": (8, 6), "b": (3, 4)}
    file = tmp_path / "ranks.json"
    file.write_text(json.dumps({"a": [2, 3]}))
    assert parse_ranks(str(file)) == {"a": (2, 3)}
    assert parse_factors("16=4x4,12=12") == {16: (4, 4), 12: (12,)}


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_ranks, "8x6", "ranks must be given as in layer1.0.conv1=8x6, not '8x6'"),
        (parse_ranks, "a=8,6", "ranks must be given as in layer1.0.conv1=8x6, not '6'"),
        (parse_ranks, "a=٣x٣", "ranks must be given as in layer1.0.conv1=8x6, not 'a=٣x٣'"),
        (parse_ranks, "a=" + "9" * 5000, f"ranks must be given as in layer1.0.conv1=8x6, not 'a={'9' * 77}"),
        (parse_factors, "٤=2x2", "factors must multiply to the channels as in 64=8x8, not '٤=2x2'"),
        (
            parse_factors,
            "9" * 5000 + "=3x3",
            f"factors must multiply to the channels as in 64=8x8, not '{'9' * 79}",
        ),
        (parse_ranks, "a=8x-6", "ranks must be given as in layer1.0.conv1=8x6, not 'a=8x-6'"),
        (parse_factors, "16=4x5", "factors must multiply to the channels as in 64=8x8, not '16=4x5'"),
        (parse_factors, "a=4x5", "factors must multiply to the channels as in 64=8x8, not 'a=4x5'"),
    ],
)
def test_ranks_and_factors_that_cannot_be_read_are_refused(parse, text, message):
    with pytest.raises(ShiftbookError) as error:
        parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize("content", ["[", "[1]", '{"a": 3}', '{"a": [1.5]}', None])
def test_a_file_of_ranks_that_cannot_be_read_is_refused(tmp_path, content):
    file = tmp_path / "ranks.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ShiftbookError, match=r"ranks\.json"):
        parse_ranks(str(file))

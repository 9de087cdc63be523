"""Dynamic Network Surgery masks."""

import pytest
import torch

from shiftbook.frontend.training.prune import balance_slots, density_of, masks_at, prune
from shiftbook.frontend.training.recipe import Balance
from shiftbook.golden.errors import ShiftbookError


def layers(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "narrow": 0.01 * torch.randn(8, 8, 3, 3, generator=generator),
        "wide": torch.randn(16, 8, 3, 3, generator=generator) ** 3,
    }


@pytest.mark.parametrize("density", [0.01, 0.2, 0.5, 0.9, 0.999])
def test_density_is_met_over_the_network(density):
    weights = layers()
    count = sum(w.numel() for w in weights.values())
    reached = density_of(prune(weights, density))
    assert density <= reached <= density + 2 / count


def test_density_is_met_with_hysteresis_too():
    weights = layers()
    before = prune(weights, 0.5)
    assert density_of(prune(weights, 0.2, before)) == pytest.approx(0.2, abs=0.002)


def test_full_density_keeps_everything():
    assert density_of(prune({"zero": torch.zeros(2, 2, 1, 1)}, 1.0)) == 1


@pytest.mark.parametrize("density", [0.0, -0.1, 1.01, float("nan")])
def test_bad_density(density):
    with pytest.raises(ShiftbookError, match=rf"density must be in \(0, 1\], not {density}"):
        prune(layers(), density)


def test_threshold_is_mean_plus_a_deviations():
    weight = torch.tensor([1.0, -2.0, 3.0, -4.0]).reshape(1, 4, 1, 1)
    # mean|w| = 2.5, std|w| = sqrt(1.25)
    keep = masks_at({"w": weight}, None, 0.4, 0.0)["w"].flatten().tolist()
    assert keep == [False, False, True, True]
    keep = masks_at({"w": weight}, None, 0.5, 0.0)["w"].flatten().tolist()
    assert keep == [False, False, False, True]


def test_hysteresis_keeps_and_returns():
    weight = torch.tensor([0.85, 0.95, 1.05, 1.15, 0.85, 0.95, 1.05, 1.15]).reshape(8, 1, 1, 1)
    was = torch.tensor([True] * 4 + [False] * 4).reshape(8, 1, 1, 1)
    keep = masks_at({"w": weight}, {"w": was}, 0.0, 0.1)["w"].flatten().tolist()
    assert keep == [False, True, True, True, False, False, False, True]


def test_every_layer_keeps_its_largest_weight():
    weights = layers() | {"flat": torch.full((2, 2, 1, 1), 0.5)}
    weights["flat"][0, 0] = 0.6
    masks = prune(weights, 0.001)
    assert all(bool(mask.any()) for mask in masks.values())


def test_balanced_slots_have_equal_work():
    weights = layers()
    masks = prune(weights, 0.3)
    balanced = balance_slots(weights, masks, Balance(4))
    for name, mask in balanced.items():
        work = mask.reshape(mask.shape[0], -1, 4, 9).sum(dim=(1, 3))
        assert torch.equal(work, work[:, :1].expand_as(work))
        before = masks[name].sum(dim=(1, 2, 3))
        assert int((work.sum(1) - before).abs().max()) <= 2
    assert density_of(balanced) == pytest.approx(0.3, abs=0.02)


def test_balancing_keeps_the_largest_of_each_slot():
    weight = torch.tensor([4.0, 1.0, 3.0, 2.0]).reshape(1, 4, 1, 1)  # slots 0 1 0 1
    mask = torch.tensor([True, False, True, False]).reshape(1, 4, 1, 1)
    balanced = balance_slots({"w": weight}, {"w": mask}, Balance(2))["w"]
    assert balanced.flatten().tolist() == [True, False, False, True]


def test_what_costs_no_cycle_is_kept():
    weights = layers()
    masks = prune(weights, 0.05)
    balanced = balance_slots(weights, masks, Balance(4, least=3))
    for name, mask in balanced.items():
        work = mask.reshape(mask.shape[0], -1, 4, 9).sum(dim=(1, 3))
        before = masks[name].sum(dim=(1, 2, 3)) / 4
        assert torch.equal(work, before.round().clamp(min=3)[:, None].expand_as(work).long())
    few = {"w": torch.randn(2, 4, 1, 1)}
    assert balance_slots(few, {"w": few["w"] > 9}, Balance(4, least=3))["w"].all(), "there are no more"


def test_layers_that_do_not_divide_stay_as_they_are():
    weights = {"first": torch.randn(4, 3, 3, 3)}
    masks = prune(weights, 0.3)
    assert balance_slots(weights, masks, Balance(4)) == masks


@pytest.mark.parametrize(("third", "kept"), [(0.9, [0, 2]), (0.5, [0, 1])])
def test_balanced_slots_keep_to_their_choice_within_the_hysteresis(third: float, kept: list[int]):
    weights = {"w": torch.tensor([1.0, 0.95, third, 0.4]).reshape(1, 4, 1, 1)}
    masks = {"w": torch.tensor([True, False, True, False]).reshape(1, 4, 1, 1)}
    fresh = balance_slots(weights, masks, Balance(1))["w"]
    again = balance_slots(weights, masks, Balance(1), previous=masks)["w"]
    assert fresh.flatten().nonzero().flatten().tolist() == [0, 1]
    assert again.flatten().nonzero().flatten().tolist() == kept

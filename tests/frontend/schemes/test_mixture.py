"""The two-Gaussian mixture."""

import math

import pytest
import torch

from shiftbook.frontend.schemes.mixture import Mixture, fit_mixture


def draw(share, mean, sigma, count=40000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    positive = torch.rand(count, generator=generator) < share
    noise = torch.randn(count, generator=generator)
    return torch.where(positive, mean[1] + sigma[1] * noise, mean[0] + sigma[0] * noise)


def test_recovers_a_known_mixture():
    mixture = fit_mixture(draw(0.3, (-2.0, 1.5), (0.5, 0.8)))
    assert mixture.share[1] == pytest.approx(0.3, abs=0.01)
    assert mixture.mean == pytest.approx((-2.0, 1.5), abs=0.03)
    assert mixture.sigma == pytest.approx((0.5, 0.8), abs=0.03)
    assert sum(mixture.share) == pytest.approx(1)


def test_separation_is_the_papers_formula():
    mixture = Mixture(share=(0.5, 0.5), mean=(-1.0, 2.0), sigma=(0.5, 1.5), spread=2.0)
    assert mixture.separation == (3.0**2 + 1.0**2) / 2.0**2


def test_separation_tells_two_clusters_from_one():
    assert fit_mixture(draw(0.5, (-1.0, 1.0), (0.2, 0.2))).separation > 3.5
    assert fit_mixture(draw(0.5, (0.0, 0.0), (1.0, 1.0))).separation < 1


def test_posterior_is_bayes_rule():
    mixture = Mixture(share=(0.25, 0.75), mean=(-1.0, 2.0), sigma=(0.5, 1.5), spread=1.0)
    x = 0.3

    def weight(component):
        z = (x - mixture.mean[component]) / mixture.sigma[component]
        return mixture.share[component] / mixture.sigma[component] * math.exp(-z * z / 2)

    expected = weight(1) / (weight(0) + weight(1))
    assert mixture.posterior(torch.tensor([x], dtype=torch.float64)).item() == pytest.approx(expected)


def test_beyond_its_mean_a_component_keeps_its_values():
    mixture = Mixture(share=(0.5, 0.5), mean=(-1.0, 1.0), sigma=(1.0, 0.1), spread=1.2)
    values = torch.tensor([-1.5, -0.2, 0.6, 0.9, 1.0, 3.0])
    assert (mixture.posterior(values) > 0.5).tolist() == [False, False, False, True, True, False]
    assert mixture.is_positive(values).tolist() == [False, False, False, True, True, True]
    turned = Mixture(share=(0.5, 0.5), mean=(-1.0, 1.0), sigma=(0.1, 1.0), spread=1.2)
    assert turned.is_positive(-values).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize("values", [torch.empty(0), torch.ones(10), -torch.ones(10), torch.tensor([1.0, -1])])
def test_nothing_to_separate(values):
    assert fit_mixture(values) is None


def test_two_spikes_do_not_diverge():
    mixture = fit_mixture(torch.tensor([-1.0, -1.0, 2.0, 2.0]))
    assert mixture.mean == (-1.0, 2.0)
    assert all(sigma > 0 for sigma in mixture.sigma)

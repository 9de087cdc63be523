"""The mixture of two Gaussians that focused quantization sees in a layer's unpruned weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST_SHARE = 1e-3
"""A component with less of the weights than this has died: the layer has one cluster."""


@dataclass(frozen=True)
class Mixture:
    """Two Gaussians; index 0 is the negative component.

    Members
    -------
    share : mixing weights, they sum to 1
    mean, sigma : real values, sigma > 0
    spread : standard deviation of all the weights fitted
    """

    share: tuple[float, float]
    mean: tuple[float, float]
    sigma: tuple[float, float]
    spread: float

    @property
    def separation(self) -> float:
        """Squared Wasserstein distance of the components over the variance of all weights.

        Source: arXiv 1903.03046; a layer below 2.0 has one cluster.
        """
        distance = (self.mean[0] - self.mean[1]) ** 2 + (self.sigma[0] - self.sigma[1]) ** 2
        return distance / self.spread**2

    def posterior(self, values: Tensor) -> Tensor:
        """Return the probability that each value belongs to the positive component, same shape."""
        return torch.sigmoid(_log_density(values, self, 1) - _log_density(values, self, 0))

    def is_positive(self, values: Tensor) -> Tensor:
        """Tell for each value whether the positive component is the likelier one, same shape.

        Beyond its mean a component keeps its values, though the tail of a wider one may lie above its own:
        they would be rounded to the other side of zero.
        """
        likelier = self.posterior(values) > 0.5
        return (values >= self.mean[1]) | (values > self.mean[0]) & likelier

    def as_json(self) -> dict[str, object]:
        """Return the parameters as JSON values."""
        return {
            "share": list(self.share),
            "mean": list(self.mean),
            "sigma": list(self.sigma),
            "separation": self.separation,
        }


def _log_density(values: Tensor, mixture: Mixture, component: int) -> Tensor:
    """Return the log of share times density, less a constant that both components have."""
    mean, sigma, share = (part[component] for part in (mixture.mean, mixture.sigma, mixture.share))
    return math.log(share) - math.log(sigma) - 0.5 * ((values - mean) / sigma) ** 2


def fit_mixture(values: Tensor, rounds: int = 200, tolerance: float = 1e-9) -> Mixture | None:
    """Fit two Gaussians by expectation and maximization.

    Parameters
    ----------
    values
        float [N]: the unpruned weights of one layer.
    rounds, tolerance
        Stop after so many rounds, or when the mean log-likelihood grows by less than ``tolerance``.

    Returns
    -------
    None where there is nothing to separate: fewer than two weights of either sign, or a component that
    dies on the way.

    Source: arXiv 1903.03046, section 3: started at the mean and deviation of the negative and of the
    positive weights, and 1/2 each.
    """
    values = values.detach().double().flatten()
    negative, positive = values[values < 0], values[values > 0]
    if min(negative.numel(), positive.numel()) < 2:
        return None
    spread = float(values.std(correction=0))
    floor = 1e-6 * spread  # A component may not shrink onto one weight: the likelihood has no bound there.
    mixture = Mixture(
        share=(0.5, 0.5),
        mean=(float(negative.mean()), float(positive.mean())),
        sigma=(max(float(negative.std()), floor), max(float(positive.std()), floor)),
        spread=spread,
    )
    before = -math.inf
    for _ in range(rounds):
        logs = torch.stack([_log_density(values, mixture, component) for component in (0, 1)])
        likelihood = float(torch.logsumexp(logs, 0).mean())
        if likelihood - before < tolerance:
            break
        before = likelihood
        belongs = torch.softmax(logs, 0)
        members = belongs.sum(1)
        if float(members.min()) < SMALLEST_SHARE * values.numel():
            return None
        mean = (belongs * values).sum(1) / members
        sigma = ((belongs * (values - mean[:, None]) ** 2).sum(1) / members).sqrt().clamp(min=floor)
        share = members / values.numel()
        mixture = Mixture(_pair(share), _pair(mean), _pair(sigma), spread)
    return mixture


def _pair(values: Tensor) -> tuple[float, float]:
    return float(values[0]), float(values[1])

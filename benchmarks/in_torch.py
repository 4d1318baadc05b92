"""The paper's networks in PyTorch, as one would write them there."""

import os

import torch
from torch import nn

from benchmarks import duel


def begin() -> None:
    """Make everything on the benchmark's device, compute in float32 as jax does, and use the threads that it allows."""
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(duel.threads())
    torch.set_default_device({"cpu": "cpu", "gpu": "cuda"}[os.environ[duel.DEVICE]])


def finish() -> None:
    """Wait for the device."""
    if os.environ[duel.DEVICE] == "gpu":
        torch.cuda.synchronize()


class ShallowCNN(nn.Module):
    """The spatial model of one region (Eq. 2)."""

    def __init__(self, classes: int, dropout: float):
        super().__init__()
        self.conv5, self.conv3 = nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 8, 3, padding=1)
        self.branches = nn.ModuleList(nn.Conv2d(8, 16, k, padding=k // 2) for k in (1, 3, 5, 7))
        self.reduce = nn.Sequential(
            *(nn.Linear(72, 1024), nn.ReLU(), nn.Dropout(dropout), nn.Linear(1024, 250), nn.ReLU()),
            *(nn.Dropout(dropout), nn.Linear(250, 20), nn.ReLU()),
        )
        self.out = nn.Linear(20, classes)

    def features(self, x):
        for conv in (self.conv5, self.conv3):
            x = nn.functional.max_pool2d(torch.relu(conv(x)), 2)
        branches = [
            nn.functional.max_pool2d(x, 2),
            *(nn.functional.max_pool2d(torch.relu(branch(x)), 2) for branch in self.branches),
        ]
        return self.reduce(torch.cat(branches, 1).mean((2, 3)))

    def forward(self, x):
        return self.out(self.features(x))


class TemporalModel(nn.Module):
    """One LSTM per region and the classifier on all (Eqs. 6 and 7)."""

    def __init__(self, regions: int, features: int, units: int, classes: int, dropouts: tuple[float, float]):
        super().__init__()
        self.lstms = nn.ModuleList(nn.LSTM(features, units, batch_first=True) for _ in range(regions))
        self.drop = nn.Dropout(dropouts[0])
        hidden = nn.Linear(regions * units, 256)
        self.head = nn.Sequential(hidden, nn.LeakyReLU(), nn.Dropout(dropouts[1]), nn.Linear(256, classes))

    def forward(self, features, length):
        last = (torch.arange(len(length)), length - 1)
        states = [lstm(features[:, :, r])[0][last] for r, lstm in enumerate(self.lstms)]
        return self.head(self.drop(nn.functional.leaky_relu(torch.cat(states, 1))))


def focal_loss(logits, label, gamma: float):
    """Eq. 5 with equal class weights, averaged."""
    log_p = torch.log_softmax(logits, 1).gather(1, label[:, None])
    return (-((1 - log_p.exp()) ** gamma) * log_p).mean()

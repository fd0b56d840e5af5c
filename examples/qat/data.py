"""Pictures rendered by index.ts: per record a byte for the label, then [64, 64, 3] RGB bytes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model import SIDE

MEAN, DEVIATION = 128.0, 64.0
SHIFT = 4


def load(path: Path) -> tuple[Tensor, Tensor]:
    """[N, 3, 64, 64] uint8 pictures and [N] int64 labels."""
    records = torch.from_numpy(np.fromfile(path, dtype=np.uint8)).reshape(-1, 1 + SIDE * SIDE * 3)
    pictures = records[:, 1:].reshape(-1, SIDE, SIDE, 3).permute(0, 3, 1, 2)
    return pictures, records[:, 0].long()


def normalise(pictures: Tensor) -> Tensor:
    return ((pictures.float() - MEAN) / DEVIATION).contiguous(memory_format=torch.channels_last)


def batches(pictures: Tensor, labels: Tensor, size: int, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled and varied in ways that keep the class: shifted by up to 4 pixels, colours swapped or inverted."""
    for indices in torch.randperm(len(labels), generator=random).split(size)[: len(labels) // size]:
        batch = F.pad(normalise(pictures[indices]), [SHIFT] * 4, mode="reflect")
        left, top = torch.randint(0, 2 * SHIFT + 1, (2,), generator=random).tolist()
        batch = batch[:, torch.randperm(3, generator=random), top : top + SIDE, left : left + SIDE]
        sign = torch.randint(0, 2, (len(indices), 1, 1, 1), generator=random) * 2.0 - 1
        yield (batch * sign).contiguous(memory_format=torch.channels_last), labels[indices]


@torch.no_grad()
def accuracy(model: torch.nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """Share of pictures, in percent, whose best class is the right one."""
    model.eval()
    right = sum(
        (model(normalise(some)).argmax(1) == truth).sum().item()
        for some, truth in zip(pictures.split(250), labels.split(250))
    )
    return 100 * right / len(labels)

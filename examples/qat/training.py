"""The training loop that both scripts share."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data import accuracy, batches, load

BATCH = 64


def fit(
    model: nn.Module,
    folder: Path,
    *,
    seed: int,
    epochs: int,
    rate: float,
    decay: float,
    checkpoint: Path,
    before_epoch: Callable[[int], None] = lambda epoch: None,
) -> None:
    """Trains by AdamW under a one-cycle rate, and keeps a checkpoint of the last epoch. Evaluation chooses nothing."""
    # One thread: where cores are shared, threads wait for each other longer than they compute.
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(seed)
    pictures, labels = load(folder / "train.bin")
    evaluation = load(folder / "evaluation.bin")
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    steps = epochs * (len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.2)
    for epoch in range(epochs):
        start, total = time.monotonic(), 0.0
        model.train()
        before_epoch(epoch)
        for batch, truth in batches(pictures, labels, BATCH, random):
            loss: Tensor = F.cross_entropy(model(batch), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        torch.save(model.state_dict(), checkpoint)
        seconds = time.monotonic() - start
        mean = total / (len(labels) // BATCH)
        print(f"epoch {epoch + 1}: loss {mean:.4f}, top-1 {accuracy(model, *evaluation):.2f} %, {seconds:.0f} s", flush=True)

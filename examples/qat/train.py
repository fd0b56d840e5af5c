"""Trains the reference network in FP32: python train.py FOLDER, where index.ts rendered the pictures."""

import sys
from pathlib import Path

import torch

from model import SIDE, ReferenceNet
from training import fit

# Epochs and highest rate: a second cycle with new shuffles goes on where the first has cooled down.
CYCLES = [(12, 4e-3), (8, 2e-3)]


def export(model: torch.nn.Module, path: Path, **options: object) -> None:
    """Writes ONNX of opset 17: `input` [batch, 3, 64, 64] -> `logits` [batch, 16]."""
    torch.onnx.export(
        model.eval(),
        (torch.zeros(1, 3, SIDE, SIDE),),
        path,
        opset_version=17,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        dynamo=False,
        **options,
    )


def main(folder: Path) -> None:
    torch.manual_seed(1)
    model = ReferenceNet().to(memory_format=torch.channels_last)
    for cycle, (epochs, rate) in enumerate(CYCLES):
        fit(model, folder, seed=1 + cycle, epochs=epochs, rate=rate, decay=0.02, checkpoint=folder / "fp32.pt")
    # Batch normalisation stays a layer of its own, as in most published models.
    export(model, folder / "reference.fp32.onnx", training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

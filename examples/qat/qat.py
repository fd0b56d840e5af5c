"""
Fine-tunes the trained network as it will compute in INT8 and exports it with QuantizeLinear and DequantizeLinear:
python qat.py FOLDER, after train.py.

Every layer computes in float on values that were rounded to what integers can hold (Jacob et al. 2018, "Quantization
and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"); gradients pass the rounding as if it
were not there. Batch normalisation is folded first, since integers never see it.
"""

import copy
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval

from data import accuracy, load, normalise
from model import Add, ReferenceNet
from train import export
from training import fit

EPOCHS = 2
# Ranges follow the activations for this many epochs and then stay, so that weights can settle on them.
RANGING_EPOCHS = 1
RANGE_MOMENTUM = 0.02
# Weights use 7 of 8 bits: x86 processors without VNNI add two products of bytes in 16 bits, which 8 would overflow.
LARGEST_WEIGHT = 63


class QuantizedWeight(nn.Module):
    """Symmetric int8, one scale per output channel: largest magnitude / 63."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.register_buffer("scale", torch.ones(len(weight)))
        self.register_buffer("zero_point", torch.zeros(len(weight), dtype=torch.int32))

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            largest = weight.detach().flatten(1).abs().amax(1)
            self.scale.copy_(largest.clamp(min=1e-6) / LARGEST_WEIGHT)
        return torch.fake_quantize_per_channel_affine(weight, self.scale, self.zero_point, 0, -128, 127)


class QuantizedActivation(nn.Module):
    """uint8 with one scale and zero point, for the range between moving averages of each batch's least and largest."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.ranging = True

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.ranging:
            self.observe(x.detach())
        # Plain numbers, which the export writes as constants. Zero is always representable.
        scale = max((self.high - self.low).item(), 1e-6) / 255
        return torch.fake_quantize_per_tensor_affine(x, scale, round(-self.low.item() / scale), 0, 255)

    def observe(self, x: Tensor) -> None:
        low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
        momentum = 1 if self.high == self.low else RANGE_MOMENTUM
        self.low.lerp_(low, momentum)
        self.high.lerp_(high, momentum)


class QuantizedAdd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quantize = QuantizedActivation()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.quantize(a + b)


def quantized(model: ReferenceNet) -> nn.Sequential:
    """A copy with folded batch normalisation, rounded weights, and rounded inputs and results of every layer."""
    model = copy.deepcopy(model).eval()
    for name, block in list(model.named_modules()):
        if isinstance(block, nn.Sequential) and hasattr(block, "norm"):
            block.conv = with_quantized_weight(fuse_conv_bn_eval(block.conv, block.norm))
            del block.norm
            block.append(QuantizedActivation())
        elif isinstance(block, Add):
            model.get_submodule(name.rpartition(".")[0]).add = QuantizedAdd()
    # What flattening gives has the same range: rounding it again changes nothing and keeps it among integers.
    pooled = QuantizedActivation()
    model.pool = nn.Sequential(model.pool, pooled)
    model.flatten = nn.Sequential(model.flatten, pooled)
    with_quantized_weight(model.classify)
    return nn.Sequential(QuantizedActivation(), model)


def with_quantized_weight(layer: nn.Module) -> nn.Module:
    parametrize.register_parametrization(layer, "weight", QuantizedWeight(layer.weight))
    return layer


def stop_ranging(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, QuantizedActivation):
            module.ranging = False


def main(folder: Path) -> None:
    model = ReferenceNet()
    model.load_state_dict(torch.load(folder / "fp32.pt", weights_only=True))
    evaluation = load(folder / "evaluation.bin")
    print(f"FP32: top-1 {accuracy(model, *evaluation):.2f} %")

    model = quantized(model).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for some in load(folder / "calibration.bin")[0].split(64):
            model.train()(normalise(some))
    print(f"Quantized, before training: top-1 {accuracy(model, *evaluation):.2f} %")

    def before_epoch(epoch: int) -> None:
        if epoch == RANGING_EPOCHS:
            stop_ranging(model)

    path = folder / "qat.pt"
    fit(model, folder, seed=1, epochs=EPOCHS, rate=3e-4, decay=0, checkpoint=path, before_epoch=before_epoch)
    export(model, folder / "reference.qat.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

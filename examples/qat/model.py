"""The reference network: a small MobileNetV2, inverted residuals with linear bottlenecks, for 64x64 pictures."""

from collections import OrderedDict

from torch import Tensor, nn

CLASSES = 16
SIDE = 64

# Channels out, stride, repeats; every block expands its input by EXPANSION.
STAGES = [(24, 2, 2), (40, 2, 3), (80, 2, 3)]
STEM, FIRST, HEAD, EXPANSION = 16, 12, 320, 4


def conv(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        conv=nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        norm=nn.BatchNorm2d(outputs),
    )


def conv_relu(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(conv(inputs, outputs, size, stride, groups) | {"relu": nn.ReLU6(inplace=True)})


class InvertedResidual(nn.Module):
    """Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks"."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.expand = conv_relu(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = conv_relu(wide, wide, 3, stride, groups=wide)
        self.project = nn.Sequential(conv(wide, outputs, 1))
        self.add = Add() if stride == 1 and inputs == outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return y if self.add is None else self.add(x, y)


class Add(nn.Module):
    """A module rather than `+`, so that quantization can be put around it."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class ReferenceNet(nn.Module):
    """[N, 3, 64, 64] float32, (x - 128) / 64 per channel of 0..255 RGB -> [N, 16] logits."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [InvertedResidual(STEM, FIRST, 1, 1)]
        channels = FIRST
        for outputs, stride, repeats in STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, stride if repeat == 0 else 1, EXPANSION))
                channels = outputs
        self.stem = conv_relu(3, STEM, 3, 2)
        self.blocks = nn.Sequential(*blocks)
        self.head = conv_relu(channels, HEAD, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classify = nn.Linear(HEAD, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.flatten(self.pool(self.head(self.blocks(self.stem(x))))))

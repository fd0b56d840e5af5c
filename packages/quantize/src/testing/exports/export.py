"""Writes a toy network with random weights as quantized models, the way their tools export them, beside this file.

Made with: python 3.11, torch 2.13.0, onnx 1.23.1, onnxscript 0.7.2, onnxruntime 1.30.0, numpy 2.4.6
Run: python export.py
"""
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.ao.quantization as ao
import torch.ao.quantization.fx._decomposed  # noqa: F401, registers the operators that PT2E writes
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn
from torch.ao.quantization import quantize_fx

HERE = Path(__file__).parent
SHAPE = (2, 3, 8, 8)


def layer(inputs, outputs, kernel, activation, groups=1):
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *activation)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = layer(3, 4, 3, [nn.ReLU()])
        self.pool = nn.MaxPool2d(2)
        self.expand = layer(4, 8, 1, [nn.ReLU6()])
        self.depthwise = layer(8, 8, 3, [nn.Hardswish()], groups=8)
        self.project = layer(8, 4, 1, [])
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(8, 3)

    def forward(self, image):
        x = self.pool(self.stem(image))
        y = torch.relu(x + self.project(self.depthwise(self.expand(x))))
        return self.classifier(self.average(torch.cat([x, y], 1)).flatten(1))


def settle(model):
    """Statistics of normalisations and observers."""
    with torch.no_grad():
        for _ in range(8):
            model(torch.randn(SHAPE))
    return model


def export(model, name, dynamo=False):
    options = {"dynamo": True, "external_data": False} if dynamo else {"dynamo": False}
    path = HERE / f"{name}.onnx"
    torch.onnx.export(
        model.eval(), (torch.randn(SHAPE),), str(path), opset_version=18 if dynamo else 17,
        input_names=["image"], output_names=["scores"], verbose=False, **options,
    )
    strip(path)


def strip(path):
    """Without the exporter's notes on the source code, which name files of the machine."""
    model = onnx.load(path)
    graph = model.graph
    for item in [model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        item.ClearField("doc_string")
        item.ClearField("metadata_props")
    onnx.save(model, path)


def fx_ptq():
    model = settle(Network().train()).eval()
    prepared = quantize_fx.prepare_fx(model, ao.get_default_qconfig_mapping("qnnpack"), (torch.randn(SHAPE),))
    export(quantize_fx.convert_fx(settle(prepared)), "fx-ptq")


def fx_qat():
    """As it is trained: fake quantization in float, which divides by what the weights were scaled with."""
    config = ao.QConfig(
        activation=ao.FakeQuantize.with_args(observer=ao.MovingAverageMinMaxObserver, quant_min=0, quant_max=255),
        weight=ao.FakeQuantize.with_args(
            observer=ao.MovingAveragePerChannelMinMaxObserver, dtype=torch.qint8, quant_min=-128, quant_max=127,
            qscheme=torch.per_channel_symmetric, ch_axis=0,
        ),
    )
    mapping = ao.QConfigMapping().set_global(config)
    prepared = settle(quantize_fx.prepare_qat_fx(Network().train(), mapping, (torch.randn(SHAPE),))).eval()
    prepared.apply(ao.disable_observer)
    export(prepared, "fx-qat")


class Decomposed(nn.Module):
    """What convert_pt2e leaves: integer weights and the operators of quantized_decomposed."""

    def __init__(self):
        super().__init__()
        for name, shape in {"conv": (4, 3, 3, 3), "linear": (3, 4)}.items():
            self.register_buffer(f"{name}_weight", torch.randint(-127, 128, shape, dtype=torch.int8))
            self.register_buffer(f"{name}_scale", torch.rand(shape[0]) * 0.005 + 0.001)
            self.register_buffer(f"{name}_zero", torch.zeros(shape[0], dtype=torch.int64))
            self.register_buffer(f"{name}_bias", torch.randn(shape[0]) * 0.1)

    def weight(self, name):
        parts = [getattr(self, f"{name}_{part}") for part in ("weight", "scale", "zero")]
        return torch.ops.quantized_decomposed.dequantize_per_channel(*parts, 0, -127, 127, torch.int8)

    def fake(self, x, scale, zero):
        ops = torch.ops.quantized_decomposed
        integers = ops.quantize_per_tensor(x, scale, zero, 0, 255, torch.uint8)
        return ops.dequantize_per_tensor(integers, scale, zero, 0, 255, torch.uint8)

    def forward(self, image):
        x = nn.functional.conv2d(self.fake(image, 0.025, 128), self.weight("conv"), self.conv_bias, padding=1)
        x = nn.functional.max_pool2d(self.fake(torch.relu(x), 0.02, 0), 2)
        x = self.fake(self.fake(x, 0.02, 0).mean((2, 3)), 0.02, 0)
        return self.fake(nn.functional.linear(x, self.weight("linear"), self.linear_bias), 0.01, 120)


class Samples(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(0)
        self.samples = iter([{"image": random.standard_normal(SHAPE).astype(np.float32)} for _ in range(8)])

    def get_next(self):
        return next(self.samples, None)


def onnxruntime_tool():
    export(settle(Network().train()), "float")
    source = HERE / "float.onnx"
    for name, form, activation in [
        ("ort-qdq-s8s8", QuantFormat.QDQ, QuantType.QInt8),
        ("ort-qoperator", QuantFormat.QOperator, QuantType.QUInt8),
    ]:
        path = HERE / f"{name}.onnx"
        quantize_static(
            source, path, Samples(), quant_format=form, activation_type=activation, weight_type=QuantType.QInt8,
            per_channel=True,
        )
        strip(path)
    source.unlink()


if __name__ == "__main__":
    torch.manual_seed(1)
    fx_ptq()
    fx_qat()
    export(Decomposed(), "pt2e", dynamo=True)
    onnxruntime_tool()

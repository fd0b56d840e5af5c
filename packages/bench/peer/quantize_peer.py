"""Quantizes a model with ONNX Runtime's own static quantizer.

One recipe per process, so that its peak of memory is its own. Prints one line of JSON: seconds, peakRssBytes and the
versions. The samples are what the TypeScript side decoded: `samples.json` says their input, shape and count, and
`samples.f32` holds them one after the other.

    python3 quantize_peer.py --model m.onnx --samples FOLDER --method minmax --scheme u8s8-channel --output q.onnx
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy
import onnx
import onnx.version_converter
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
SCHEMES = {
    "u8s8-channel": {"activation_type": QuantType.QUInt8, "per_channel": True},
    "u8s8-tensor": {"activation_type": QuantType.QUInt8, "per_channel": False},
    "s8s8-channel": {"activation_type": QuantType.QInt8, "per_channel": True},
}


class Samples(CalibrationDataReader):
    """Hands out the samples one by one."""

    def __init__(self, folder: Path):
        facts = json.loads((folder / "samples.json").read_text())
        shape = (facts["count"], *facts["shape"])
        self.input = facts["input"]
        self.values = numpy.memmap(folder / "samples.f32", dtype=numpy.float32, mode="r", shape=shape)
        self.next = 0

    def get_next(self):
        if self.next == len(self.values):
            return None
        sample = numpy.array(self.values[self.next])
        self.next += 1
        return {self.input: sample}


def peak_rss_bytes() -> int:
    """getrusage starts at the parent's peak on Linux; the high-water mark is the process's own."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def at_least_opset_13(model: str, folder: str) -> str:
    """Weights per channel need DequantizeLinear's axis."""
    loaded = onnx.load(model)
    if all(opset.version >= 13 for opset in loaded.opset_import if opset.domain in ("", "ai.onnx")):
        return model
    path = str(Path(folder) / "opset13.onnx")
    onnx.save(onnx.version_converter.convert_version(loaded, 13), path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--samples", required=True, type=Path)
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument("--scheme", required=True, choices=SCHEMES)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # As its documentation asks: shapes are inferred and what fuses is fused before quantizing.
        prepared = str(Path(folder) / "prepared.onnx")
        quant_pre_process(at_least_opset_13(options.model, folder), prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            options.output,
            Samples(options.samples),
            quant_format=QuantFormat.QDQ,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[options.method],
            **SCHEMES[options.scheme],
        )
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - start,
                "peakRssBytes": peak_rss_bytes(),
                "onnxruntime": onnxruntime.__version__,
                "onnx": onnx.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()

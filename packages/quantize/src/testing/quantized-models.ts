import { type DType, dtypes, type Shape, Tensor } from '@lowlat/core'
import { GraphBuilder, type GraphBuilderOptions, type Value } from '@lowlat/onnx'

/** Builds quantized models as exporters write them. */
export class QuantizedBuilder extends GraphBuilder {
  constructor(options: GraphBuilderOptions = {}) {
    super('quantized', options)
    this.graph.model.opsetImports.set('com.microsoft', 1)
  }

  integers(name: string, dtype: 'int8' | 'uint8' | 'int32', shape: Shape, values: readonly number[]): Value {
    const data = new dtypes[dtype].array(values.length)
    for (const [i, value] of values.entries()) data[i] = value
    return this.constant(name, new Tensor<DType>(dtype, shape, data))
  }

  floats(name: string, values: readonly number[], shape: Shape = [values.length]): Value {
    return this.constant(name, new Tensor('float32', shape, Float32Array.from(values)))
  }

  /** Integers from `low` to `high`, evenly distributed; both ends occur. */
  randomIntegers(name: string, dtype: 'int8' | 'uint8', shape: Shape, low: number, high: number): Value {
    const count = shape.reduce((a, b) => a * b, 1)
    const values = Array.from({ length: count }, () => low + this.random.integer(high - low + 1))
    return this.integers(name, dtype, shape, values.with(0, low).with(1, high))
  }

  /** QuantizeLinear and DequantizeLinear with one scale. */
  fake(value: Value, scale: number, zeroPoint: number, dtype: 'int8' | 'uint8'): Value {
    const parameters = [this.scalar('scale', 'float32', scale), this.scalar('zeroPoint', dtype, zeroPoint)]
    return this.op('DequantizeLinear', [this.op('QuantizeLinear', [value, ...parameters]), ...parameters])
  }

  /** QuantizeLinear and DequantizeLinear around float weights, symmetric int8 per index of `axis`. */
  fakeWeight(value: Value, axis: number): Value {
    const { shape, tensor } = value.initializer!
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
    const most = new Array<number>(shape[axis]!).fill(0)
    for (const [i, weight] of tensor.toFloat32().entries()) {
      const channel = Math.floor(i / inner) % most.length
      most[channel] = Math.max(most[channel]!, Math.abs(weight))
    }
    const scale = this.floats(
      'weight.scale',
      most.map((size) => size / 127),
    )
    const parameters = [
      scale,
      this.integers(
        'weight.zeroPoint',
        'int8',
        [most.length],
        most.map(() => 0),
      ),
    ]
    const quantized = this.op('QuantizeLinear', [value, ...parameters], { axis })
    return this.op('DequantizeLinear', [quantized, ...parameters], { axis })
  }
}

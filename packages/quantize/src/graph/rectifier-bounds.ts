import type { Node, Value } from '@lowlat/onnx'

/** Lowest and highest result of a Relu or Clip; undefined for other operators and bounds that are computed. */
export function rectifierBounds({ opType, domain, inputs }: Node): readonly [number, number] | undefined {
  if (domain !== '') return undefined
  if (opType === 'Relu') return [0, Number.POSITIVE_INFINITY]
  if (opType !== 'Clip') return undefined
  const low = boundOf(inputs[1], Number.NEGATIVE_INFINITY)
  const high = boundOf(inputs[2], Number.POSITIVE_INFINITY)
  return low === undefined || high === undefined ? undefined : [low, high]
}

function boundOf(value: Value | undefined, absent: number): number | undefined {
  if (!value) return absent
  const constant = value.initializer
  return constant?.elementType === 'float32' ? constant.tensor.toFloat32()[0] : undefined
}

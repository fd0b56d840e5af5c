import type { Rule, Rules } from '../site.ts'

const quantizeLinear: Rule = (site) => {
  const named = site.node.attributes.has('output_dtype') && site.node.int('output_dtype') !== 0
  const elementType = site.has(2) ? site.type(2) : named ? site.typeAttribute('output_dtype', undefined) : 'uint8'
  return [{ elementType, shape: site.shape(0) }]
}

const dequantizeLinear: Rule = (site) => {
  const named = site.node.attributes.has('output_dtype') && site.node.int('output_dtype') !== 0
  return [{ elementType: named ? site.typeAttribute('output_dtype', undefined) : site.type(1), shape: site.shape(0) }]
}

const dynamicQuantizeLinear: Rule = (site) => [
  { elementType: 'uint8', shape: site.shape(0) },
  { elementType: 'float32', shape: [] },
  { elementType: 'uint8', shape: [] },
]

export const quantization: Rules = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
}

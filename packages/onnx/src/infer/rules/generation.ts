/** Operators that make tensors from attributes, sizes and shapes. */

import { shapeBounds } from '../../evaluate/constants.ts'
import { invalidNode, shapeText } from '../../evaluate/invalid-node.ts'
import { mapDim } from '../dims.ts'
import { each, type Rule, type Rules, type Site, typed } from '../site.ts'
import { shapeFromInput } from './layout.ts'

/** Numbers are constants, which evaluation finds; strings and sparse tensors have their type here. */
const constant: Rule = ({ node }) => {
  if (node.attributes.has('value')) return [node.tensor('value')]
  if (node.attributes.has('value_string')) return [{ elementType: 'string', shape: [] }]
  const numbers = { value_float: 'float32', value_int: 'int64' } as const
  for (const [name, elementType] of Object.entries(numbers)) {
    if (node.attributes.has(name)) return [{ elementType, shape: [] }]
    const list = node.attributes.get(`${name}s`)
    if (list?.type === 'ints' || list?.type === 'floats') return [{ elementType, shape: [list.value.length] }]
  }
  if (node.attributes.has('value_strings'))
    return [{ elementType: 'string', shape: [node.strings('value_strings').length] }]
  return [undefined]
}

const constantOfShape: Rule = (site) => {
  const elementType = site.node.attributes.has('value') ? site.node.tensor('value').elementType : 'float32'
  return [{ elementType, shape: shapeFromInput(site, 0) }]
}

const shapeOf: Rule = (site) => {
  const shape = site.shape(0)
  const [start, end] = shape ? shapeBounds(site.node, shape.length) : []
  return [{ elementType: 'int64', shape: [shape && Math.max(0, end! - start!)] }]
}

const range: Rule = (site) => {
  const [start, limit, delta] = [0, 1, 2].map((index) => site.values(index)?.[0])
  const counts = start === 0 && delta === 1 && typeof limit === 'string'
  return [{ elementType: site.type(0), shape: [counts ? limit : undefined] }]
}

const eyeLike: Rule = (site) => [{ elementType: site.typeAttribute('dtype', site.type(0)), shape: site.shape(0) }]

/** Random numbers in the shape of an attribute. */
const random: Rule = (site) => {
  const shape = site.node.ints('shape')
  if (shape.some((size) => size < 0)) throw invalidNode(site.node, 'sizes of 0 or more', shapeText(shape))
  return [{ elementType: site.typeAttribute('dtype', 'float32'), shape }]
}

const multinomial: Rule = (site) => [
  {
    elementType: site.typeAttribute('dtype', 'int32'),
    shape: [site.shapeOf(0, 2)?.[0], site.node.int('sample_size', 1)],
  },
]

const signalWindow: Rule = (site) => [
  { elementType: site.typeAttribute('output_datatype', 'float32'), shape: [site.values(0)?.[0]] },
]

/** num_mel_bins, dft_length, ... to [dft_length / 2 + 1, num_mel_bins] */
const melWeightMatrix: Rule = (site) => {
  const length = mapDim(site.values(1)?.[0], (size) => Math.floor(size / 2) + 1)
  return [{ elementType: site.typeAttribute('output_datatype', 'float32'), shape: [length, site.values(0)?.[0]] }]
}

/** [selected, 3]: how many boxes are kept depends on the data. */
const nonMaxSuppression: Rule = typed('int64', () => [undefined, 3])

/** [C] or [N, C] to as many features as the attribute `ngram_indexes` tells. */
const tfIdfVectorizer: Rule = (site: Site) => {
  const shape = site.shapeFrom(0, 1)
  const features = Math.max(-1, ...site.node.ints('ngram_indexes')) + 1
  return [{ elementType: 'float32', shape: shape && [...shape.slice(0, -1), features] }]
}

export const generation: Rules = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Shape: shapeOf,
  Size: typed('int64', () => []),
  Range: range,
  ...each('EyeLike RandomNormalLike RandomUniformLike Bernoulli', eyeLike),
  ...each('RandomNormal RandomUniform', random),
  Multinomial: multinomial,
  ...each('BlackmanWindow HammingWindow HannWindow', signalWindow),
  MelWeightMatrix: melWeightMatrix,
  NonMaxSuppression: nonMaxSuppression,
  TfIdfVectorizer: tfIdfVectorizer,
}

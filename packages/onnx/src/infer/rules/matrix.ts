/** Products of matrices. */
import type { PartialShape } from '../../graph/value-type.ts'
import { agreeing, broadcast, unknownShape } from '../dims.ts'
import type { Rule, Rules, Site } from '../site.ts'
import { einsum } from './einsum.ts'

/** Numpy's matmul: leading axes broadcast, a vector gains an axis that the result loses again. */
export function multiplied(
  site: Site,
  a: PartialShape | undefined,
  b: PartialShape | undefined,
): PartialShape | undefined {
  if (!a || !b) return undefined
  if (a.length === 0 || b.length === 0) return multipliedScalar(site)
  const left = a.length === 1 ? [1, ...a] : a
  const right = b.length === 1 ? [...b, 1] : b
  agreeing(site.node, 'the inner sizes', left.at(-1), right.at(-2))
  const batch = broadcast(site.node, left.slice(0, -2), right.slice(0, -2))!
  const rows = a.length === 1 ? [] : [left.at(-2)]
  const columns = b.length === 1 ? [] : [right.at(-1)]
  return [...batch, ...rows, ...columns]
}

function multipliedScalar(site: Site): undefined {
  // shapeFrom names the input that has no axes
  site.shapeFrom(0, 1)
  site.shapeFrom(1, 1)
}

const matMul: Rule = (site) => [{ elementType: site.type(0), shape: multiplied(site, site.shape(0), site.shape(1)) }]

const matMulInteger: Rule = (site) => [{ elementType: 'int32', shape: multiplied(site, site.shape(0), site.shape(1)) }]

/** a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point */
const qLinearMatMul: Rule = (site) => [
  { elementType: site.type(7), shape: multiplied(site, site.shape(0), site.shape(3)) },
]

/** [M, N] of two matrices, either of which may be transposed. */
export function gemmShape(site: Site, a: number, b: number): PartialShape {
  const transposed = (index: number, attribute: string) => {
    const shape = site.shapeOf(index, 2) ?? unknownShape(2)!
    return site.node.int(attribute, 0) === 0 ? shape : [shape[1], shape[0]]
  }
  const [left, right] = [transposed(a, 'transA'), transposed(b, 'transB')]
  agreeing(site.node, 'the inner sizes', left[1], right[0])
  return [left[0], right[1]]
}

const gemm: Rule = (site) => [{ elementType: site.type(0), shape: gemmShape(site, 0, 1) }]

const determinant: Rule = (site) => [{ elementType: site.type(0), shape: site.shapeFrom(0, 2)?.slice(0, -2) }]

export const matrix: Rules = {
  MatMul: matMul,
  MatMulInteger: matMulInteger,
  QLinearMatMul: qLinearMatMul,
  Gemm: gemm,
  Einsum: einsum,
  Det: determinant,
}

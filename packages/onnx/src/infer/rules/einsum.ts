import { invalidNode } from '../../evaluate/invalid-node.ts'
import { agreeing, broadcast, type PartialDim } from '../dims.ts'
import type { Rule } from '../site.ts'

const term = /^([a-zA-Z]*)(\.\.\.)?([a-zA-Z]*)$/

/** Output axes by their letters; '...' stands for any leading axes, which broadcast. */
export const einsum: Rule = (site) => {
  const equation = site.node.string('equation').replace(/\s/g, '')
  const [left, right, ...more] = equation.split('->')
  const terms = (left ?? '').split(',')
  const bad = [...terms, right ?? ''].some((text) => !term.test(text)) || more.length > 0
  if (bad || terms.length !== site.inputs.length) {
    throw invalidNode(site.node, `an equation of ${site.inputs.length} terms`, `'${equation}'`)
  }
  const elementType = site.type(0)
  const sizes = new Map<string, PartialDim>()
  const meet = (letter: string, dim: PartialDim) => {
    // A size of 1 broadcasts, as in numpy.
    if (!sizes.has(letter) || sizes.get(letter) === 1) sizes.set(letter, dim)
    else if (dim !== 1) sizes.set(letter, agreeing(site.node, `sizes of '${letter}'`, sizes.get(letter), dim))
  }
  const ellipses: PartialDim[][] = []
  for (const [index, text] of terms.entries()) {
    const shape = site.shape(index)
    if (!shape) return [{ elementType, shape: undefined }]
    const [, before = '', dots, after = ''] = term.exec(text)!
    const hidden = shape.length - before.length - after.length
    if (hidden < 0 || (hidden > 0 && !dots))
      throw invalidNode(site.node, `${text.length} axes for '${text}'`, `${shape.length}`)
    if (dots) ellipses.push(shape.slice(before.length, before.length + hidden))
    for (const [at, letter] of [...before].entries()) meet(letter, shape[at])
    for (const [at, letter] of [...after].entries()) meet(letter, shape[before.length + hidden + at])
  }
  const [, before = '', dots, after = ''] = term.exec(right ?? implicitOutput(left ?? ''))!
  const unknown = [...before, ...after].find((letter) => !sizes.has(letter))
  if (unknown) throw invalidNode(site.node, 'output letters that occur in the input', `'${unknown}'`)
  const named = (letters: string) => [...letters].map((letter) => sizes.get(letter))
  const hidden = dots ? broadcast(site.node, ...ellipses)! : []
  return [{ elementType, shape: [...named(before), ...hidden, ...named(after)] }]
}

/** Without '->': the broadcast axes, then every letter that occurs once, in the order of the alphabet. */
function implicitOutput(terms: string): string {
  const letters = [...terms.replace(/[^a-zA-Z]/g, '')]
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort()
  return (terms.includes('...') ? '...' : '') + once.join('')
}

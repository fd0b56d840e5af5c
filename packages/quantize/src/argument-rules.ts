import type { Rule } from '@lowlat/core'
import { Graph } from '@lowlat/onnx'
import { recipes } from './targets/recipes.ts'

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** What takes graphs alone: a path or bytes are a frequent mistake. */
export const graphRule: Rule = {
  expected: 'a Graph (graphFromFile(path) or graphFromOnnx(bytes))',
  accepts: (value) => value instanceof Graph,
}

const targets = Object.keys(recipes)

export const targetRule: Rule = {
  expected: `one of ${targets.map((name) => `'${name}'`).join(', ')}`,
  accepts: (value) => targets.includes(value as string),
}

export const nameListRule: Rule = {
  expected: 'a list of names',
  accepts: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
}

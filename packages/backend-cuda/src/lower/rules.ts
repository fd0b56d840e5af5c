import type { Node } from '@lowlat/onnx'
import { layerRules } from './layers/rules.ts'
import type { Rule, Rules } from './rule.ts'

const families: readonly Rules[] = [layerRules]

const rules: ReadonlyMap<string, Rule> = new Map(families.flatMap((family) => Object.entries(family)))

export function ruleFor({ domain, opType }: Node): Rule | undefined {
  return rules.get(domain === '' || domain === 'ai.onnx' ? opType : `${domain}:${opType}`)
}

/** Operators that have a rule, by the names that `describeModel` gives them. */
export const loweredOperators: ReadonlySet<string> = new Set(rules.keys())

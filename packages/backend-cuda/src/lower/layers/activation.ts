import type { Node, Value } from '@lowlat/onnx'
import type { Activation } from '../../kernels/epilogue.ts'
import type { Facts } from '../facts.ts'
import { add, call, clip, constant, constantOf, isSameSum, multiply, power, type Sum, variable } from './expression.ts'

/** Nodes that compute one function of one value, which nothing else reads. */
interface ActivationMatch {
  readonly activation: Activation
  readonly nodes: readonly Node[]
  readonly output: Value
}

/** The longest formula is the approximation of GELU, with nine nodes; exporters add one or two. */
const maxNodes = 12

/** The activation that `value` goes through next, if all that reads the value belongs to it. */
export function activationOf(value: Value, facts: Facts): ActivationMatch | undefined {
  const formulas = new Map<Value, Sum>([[value, variable]])
  const nodes: Node[] = []
  while (nodes.length < maxNodes) {
    const next = nextNode(formulas, nodes, facts)
    const output = next?.outputs[0]
    if (!next || !output) return undefined
    nodes.push(next)
    const activation = nodes.length === 1 ? activationOfNode(next, facts) : undefined
    const formula = formulaOf(next, formulas, facts)
    if (formula) formulas.set(output, formula)
    const isClosed = [...formulas.keys()].every((inner) => inner === output || isInside(inner, nodes))
    if (isClosed && isInside(value, nodes)) {
      const found = activation ?? (formula && activationOfFormula(formula, facts.dtype(value)))
      if (found) return { activation: found, nodes, output }
    }
    if (!formula) return undefined
  }
  return undefined
}

const isInside = (value: Value, nodes: readonly Node[]) =>
  value.uses.every((use) => use.kind === 'node' && nodes.includes(use.node))

/** A reader of what was computed so far that depends on nothing else. */
function nextNode(formulas: ReadonlyMap<Value, Sum>, nodes: readonly Node[], facts: Facts): Node | undefined {
  for (const value of formulas.keys()) {
    for (const use of value.uses) {
      if (use.kind !== 'node' || nodes.includes(use.node) || facts.isClaimed(use.node)) continue
      const isReady = use.node.inputs.every((input) => !input || formulas.has(input) || facts.known(input)?.size === 1)
      if (isReady) return use.node
    }
  }
  return undefined
}

type Formula = (inputs: readonly Sum[], node: Node) => Sum | undefined

const unary = (name: string): Formula => {
  return ([a]) => a && call(name, a)
}

const formulas: Readonly<Record<string, Formula>> = {
  Add: ([a, b]) => a && b && add(a, b),
  Sub: ([a, b]) => a && b && add(a, multiply(b, constant(-1))),
  Mul: ([a, b]) => a && b && multiply(a, b),
  Neg: ([a]) => a && multiply(a, constant(-1)),
  Div: ([a, b]) => {
    const divisor = b && constantOf(b)
    return a && divisor ? multiply(a, constant(1 / divisor)) : undefined
  },
  Pow: ([a, b]) => {
    const exponent = b && constantOf(b)
    return a && (exponent === 2 || exponent === 3) ? power(a, exponent) : undefined
  },
  Erf: unary('erf'),
  Tanh: unary('tanh'),
  Sigmoid: unary('sigmoid'),
  Softplus: unary('softplus'),
  HardSigmoid: ([a], node) =>
    a && clip(add(multiply(a, constant(node.float('alpha', 0.2))), constant(node.float('beta', 0.5))), 0, 1),
}

function formulaOf(node: Node, known: ReadonlyMap<Value, Sum>, facts: Facts): Sum | undefined {
  if (!isStandard(node)) return undefined
  const inputs = node.inputs.flatMap((input) => {
    const sum = input && (known.get(input) ?? scalarOf(input, facts))
    return sum ? [sum] : []
  })
  if (node.opType === 'Clip') {
    const bounds = clipBounds(node, facts)
    return bounds && inputs[0] && clip(inputs[0], ...bounds)
  }
  return inputs.length === node.inputs.length ? formulas[node.opType]?.(inputs, node) : undefined
}

function scalarOf(value: Value, facts: Facts): Sum | undefined {
  const numbers = facts.numbers(value)
  return numbers?.length === 1 ? constant(numbers[0]!) : undefined
}

const isStandard = ({ domain }: Node) => domain === '' || domain === 'ai.onnx'

/** Undefined where a bound depends on the run, and where they cross: the upper one wins then, which no kernel's clip does. */
function clipBounds(node: Node, facts: Facts): [low: number, high: number] | undefined {
  const bound = (index: number, name: string, fallback: number) => {
    const value = node.inputs[index]
    return value ? facts.numbers(value)?.[0] : node.float(name, fallback)
  }
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY)
  const high = bound(2, 'max', Number.POSITIVE_INFINITY)
  if (low === undefined || high === undefined) return undefined
  return low <= high ? [low, high] : undefined
}

type NodeActivation = (node: Node, facts: Facts) => Activation | undefined

const gelu: Activation = { kind: 'gelu' }
const geluTanh: Activation = { kind: 'geluTanh' }

const nodeActivations: Readonly<Record<string, NodeActivation>> = {
  Relu: () => ({ kind: 'relu' }),
  Clip: (node, facts) => {
    const bounds = clipBounds(node, facts)
    return bounds && { kind: 'clip', alpha: bounds[0], beta: bounds[1] }
  },
  LeakyRelu: (node) => ({ kind: 'leakyRelu', alpha: node.float('alpha', 0.01) }),
  Sigmoid: () => ({ kind: 'sigmoid' }),
  HardSigmoid: (node) => ({ kind: 'hardSigmoid', alpha: node.float('alpha', 0.2), beta: node.float('beta', 0.5) }),
  HardSwish: () => ({ kind: 'hardSwish', alpha: 1 / 6, beta: 0.5 }),
  Swish: (node) => ({ kind: 'swish', alpha: node.float('alpha', 1) }),
  Gelu: (node) => (node.string('approximate', 'none') === 'tanh' ? geluTanh : gelu),
  Tanh: () => ({ kind: 'tanh' }),
  Elu: (node) => ({ kind: 'elu', alpha: node.float('alpha', 1) }),
  Softplus: () => ({ kind: 'softplus' }),
  Mish: () => ({ kind: 'mish' }),
  'com.microsoft:Gelu': () => gelu,
  'com.microsoft:FastGelu': (node) => (node.inputs[1] ? undefined : geluTanh),
  'com.microsoft:QuickGelu': (node) => ({ kind: 'swish', alpha: node.float('alpha', 1.702) }),
}

/** The activation that one node alone computes. */
function activationOfNode(node: Node, facts: Facts): Activation | undefined {
  return nodeActivations[isStandard(node) ? node.opType : `${node.domain}:${node.opType}`]?.(node, facts)
}

const half = constant(0.5)
const one = constant(1)
const cubic = multiply(
  add(variable, multiply(constant(0.044715), power(variable, 3))),
  constant(Math.sqrt(2 / Math.PI)),
)
const gated = (gate: Sum) => multiply(variable, gate)
const hard = clip(add(multiply(variable, constant(1 / 6)), half), 0, 1)

const known: readonly (readonly [Sum, Activation])[] = [
  [multiply(half, gated(add(one, call('erf', multiply(variable, constant(Math.SQRT1_2)))))), gelu],
  [multiply(half, gated(add(one, call('tanh', cubic)))), geluTanh],
  [hard, { kind: 'hardSigmoid', alpha: 1 / 6, beta: 0.5 }],
  [gated(hard), { kind: 'hardSwish', alpha: 1 / 6, beta: 0.5 }],
  [gated(call('tanh', call('softplus', variable))), { kind: 'mish' }],
]

/** How far constants may be from those of the formula: as far as their dtype rounds them. */
const tolerances: Readonly<Record<string, number>> = { float32: 1e-5, float16: 1e-3 }

function activationOfFormula(formula: Sum, dtype: string): Activation | undefined {
  const tolerance = tolerances[dtype]
  if (tolerance === undefined) return undefined
  const [, found] = known.find(([sum]) => isSameSum(formula, sum, tolerance)) ?? []
  return found ?? swishOf(formula)
}

/** x sigmoid(alpha x), with any alpha. */
function swishOf(formula: Sum): Activation | undefined {
  const gate = formula.length === 1 ? formula[0]!.factors.find(({ name }) => name === 'sigmoid') : undefined
  const alpha = gate?.of[0]?.coefficient
  if (alpha === undefined) return undefined
  const swish = gated(call('sigmoid', multiply(variable, constant(alpha))))
  return isSameSum(formula, swish, 0) ? { kind: 'swish', alpha } : undefined
}

import {
  type Backend,
  checkArgument,
  checkOptions,
  createSession,
  functionRule,
  InputError,
  invalidConfig,
  type RulesFor,
  type Session,
  sameShape,
  signalRule,
  type Tensor,
} from '@lowlat/core'
import { cloneGraph, exposeValues, type Graph, inferTypes, onnxFromGraph } from '@lowlat/onnx'
import { graphRule, isObject } from '../argument-rules.ts'
import { SampleReader, type Samples } from '../samples.ts'
import { matchValues, type ValuePair } from './match-values.ts'
import { type ErrorReport, ValueError } from './value-error.ts'

export interface CompareOptions {
  /** Values to compare; 'auto' (default) pairs them by name, see {@link matchValues}. */
  readonly values?: 'auto' | readonly ValuePair[]
  /** Where both models run; default 'cpu'. */
  readonly backend?: string | Backend
  readonly signal?: AbortSignal
  /** Called after every sample with the number of samples so far. */
  readonly onSample?: (samples: number) => void
}

export interface ComparedValue extends ValuePair, ErrorReport {
  /** The operator of the first model that computes it. */
  readonly operator: string
}

export interface Comparison {
  readonly samples: number
  /** In the order of the first model. */
  readonly values: readonly ComparedValue[]
}

const rules: RulesFor<CompareOptions> = {
  values: {
    expected: "'auto', or a list of pairs { a, b }, each the name of a value",
    accepts: (value) =>
      value === 'auto' ||
      (Array.isArray(value) &&
        value.every((pair) => isObject(pair) && typeof pair.a === 'string' && typeof pair.b === 'string')),
  },
  backend: {
    expected: 'the name of a backend or a Backend value',
    accepts: (value) => typeof value === 'string' || isObject(value),
  },
  signal: signalRule,
  onSample: functionRule,
}

/**
 * Runs two models, for example a float model and what became of it, on the same samples, and compares them value by
 * value: where the signal-to-noise ratio drops, accuracy is lost. Holds the values of one sample at a time.
 *
 * Values in between become outputs for it, so that a backend may fuse less than otherwise.
 * @throws InputError INVALID_ARGUMENT for what is no graph, where no value inside matches or there are no samples,
 * OUTPUT_UNKNOWN for pairs that a model does not have, INPUT_SHAPE for values of different shapes; ConfigError
 * CONFIG_INVALID; errors of the backend.
 */
export async function compareModels(
  a: Graph,
  b: Graph,
  samples: Samples,
  options: CompareOptions = {},
): Promise<Comparison> {
  checkArgument('a', a, graphRule)
  checkArgument('b', b, graphRule)
  checkOptions('options of compareModels', options, rules, invalidConfig)
  const { values = 'auto', signal, onSample } = options
  const [first, second] = [withTypes(a), withTypes(b)]
  const pairs = values === 'auto' ? matchValues(first, second) : values
  const errors = pairs.map(() => new ValueError())
  const reader = new SampleReader(samples, first, 0)
  await using left = await open(
    first,
    pairs.map((pair) => pair.a),
    options,
  )
  await using right = await open(
    second,
    pairs.map((pair) => pair.b),
    options,
  )
  let count = 0
  for await (const feeds of reader.read()) {
    const run = (session: Session, names: readonly string[]) =>
      session.run(feeds, { outputs: [...new Set(names)], ...(signal && { signal }) })
    const expected = await run(
      left,
      pairs.map((pair) => pair.a),
    )
    const received = await run(
      right,
      pairs.map((pair) => pair.b),
    )
    for (const [index, pair] of pairs.entries()) add(errors[index]!, pair, expected[pair.a]!, received[pair.b]!)
    count++
    onSample?.(count)
  }
  if (count === 0) throw noSamples()
  const operators = new Map([...first.values()].map((value) => [value.name, value.producer?.opType ?? '']))
  return {
    samples: count,
    values: pairs.map((pair, index) => ({ ...pair, operator: operators.get(pair.a)!, ...errors[index]!.report })),
  }
}

function withTypes(graph: Graph): Graph {
  const clone = cloneGraph(graph)
  inferTypes(clone)
  return clone
}

function open(graph: Graph, values: readonly string[], { backend = 'cpu', signal }: CompareOptions): Promise<Session> {
  const bytes = onnxFromGraph(exposeValues(graph, values))
  return createSession(bytes, { backend, cache: false, warmup: false, signal })
}

function add(error: ValueError, pair: ValuePair, a: Tensor, b: Tensor): void {
  if (!sameShape(a.shape, b.shape)) {
    throw new InputError('INPUT_SHAPE', {
      message: `Expected '${pair.a}' and '${pair.b}' of equal shapes, got [${a.shape}] and [${b.shape}].`,
      remedy: 'They are different things: say which values belong together with { values: [{ a, b }, ...] }.',
      expected: a.shape,
      received: b.shape,
    })
  }
  error.add(a.toFloat32(), b.toFloat32())
}

function noSamples(): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: 'Expected samples to compare the models on, got none.',
    remedy: 'Pass a few typical inputs, preprocessed as in production.',
    received: 0,
  })
}

import { describe, expect, it } from 'vitest'
import {
  AbortError,
  BackendError,
  ConfigError,
  DeadlineError,
  DisposedError,
  describeValue,
  ImageError,
  InputError,
  isLowlatError,
  LowlatError,
  ModelError,
  messageOf,
  QueueFullError,
} from './errors.ts'

const fields = { message: 'Expected this, got that.', remedy: 'Do the other.' }

describe('errors', () => {
  it.each([
    ['InputError', new InputError('INPUT_SHAPE', fields), 'INPUT_SHAPE'],
    ['ModelError', new ModelError('MODEL_INVALID', fields), 'MODEL_INVALID'],
    ['ImageError', new ImageError('IMAGE_EMPTY', fields), 'IMAGE_EMPTY'],
    ['BackendError', new BackendError('RUN_FAILED', fields), 'RUN_FAILED'],
    ['ConfigError', new ConfigError('CONFIG_INVALID', fields), 'CONFIG_INVALID'],
    ['DeadlineError', new DeadlineError('DEADLINE_EXCEEDED', fields), 'DEADLINE_EXCEEDED'],
    ['QueueFullError', new QueueFullError(fields), 'QUEUE_FULL'],
    ['DisposedError', new DisposedError(fields), 'DISPOSED'],
    ['AbortError', new AbortError(fields), 'ABORTED'],
  ])('%s: name, code, and the remedy as the last sentence', (name, error, code) => {
    expect(error).toBeInstanceOf(LowlatError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name, code, remedy: 'Do the other.', details: {} })
    expect(error.message).toBe('Expected this, got that. Do the other.')
    expect(String(error)).toBe(`${name}: ${error.message}`)
    expect(isLowlatError(error)).toBe(true)
    expect(isLowlatError(error, error.code)).toBe(true)
    expect(isLowlatError(error, 'KNOB_INVALID')).toBe(false)
  })

  it('carry what was expected, what came, details and the cause', () => {
    const cause = new Error('deeper')
    const error = new InputError('INPUT_DTYPE', {
      ...fields,
      expected: 'float32',
      received: 'int8',
      details: { input: 'x' },
      cause,
    })
    expect(error).toMatchObject({ expected: 'float32', received: 'int8', details: { input: 'x' }, cause })
    expect('cause' in new InputError('INPUT_DTYPE', fields)).toBe(false)
  })

  it('are recognised when they come from another copy of the package, and nothing else is', () => {
    const foreign = Object.assign(new Error('x'), { code: 'QUEUE_FULL', remedy: 'y' })
    expect(isLowlatError(foreign, 'QUEUE_FULL')).toBe(true)
    const others = [new Error('x'), Object.assign(new Error('x'), { code: 'ENOENT' }), { code: 'A', remedy: 'b' }, null]
    for (const other of [...others, undefined, 'text', 7]) expect(isLowlatError(other)).toBe(false)
  })

  it('messageOf reads the message of anything that was thrown', () => {
    expect([new Error('a'), 'b', 3, null, undefined].map(messageOf)).toEqual(['a', 'b', '3', 'null', 'undefined'])
  })

  it('messageOf reads what cannot be turned into a string', () => {
    expect(messageOf(Object.create(null))).toBe('[Object: null prototype] {}')
  })
})

describe('describeValue', () => {
  it('shows what came, also what has no string of its own', () => {
    const circular: unknown[] = []
    circular.push(circular)
    expect([5, '5', null, undefined, 5n, Symbol('s'), [1, 2], {}].map(describeValue)).toEqual([
      ...['5', "'5'", 'null', 'undefined', '5n', 'Symbol(s)', '[ 1, 2 ]', '{}'],
    ])
    expect(describeValue(circular)).toContain('Circular')
    expect(describeValue(Object.create(null))).toContain('null prototype')
  })

  it('runs nothing of the value, and stays short', () => {
    const trap = () => {
      throw new Error('called')
    }
    const hostile = { toString: trap, toJSON: trap, [Symbol.for('nodejs.util.inspect.custom')]: trap }
    expect(describeValue(hostile)).toContain('toString')
    expect(describeValue(Object.defineProperty({}, 'a', { get: trap, enumerable: true }))).toContain('Getter')
    expect(describeValue('x'.repeat(10_000)).length).toBeLessThan(150)
    expect(describeValue(new Error('lines\nof it'))).not.toContain('\n')
  })
})

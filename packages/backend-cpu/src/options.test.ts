import { describe, expect, it } from 'vitest'
import { usableCores } from './machine.ts'
import { parseCpuOptions } from './options.ts'

describe('options of the CPU backend', () => {
  it('have the defaults of their mode', () => {
    const cores = usableCores()
    expect(parseCpuOptions({})).toEqual({ mode: 'latency', threads: cores, workers: 1, placement: 'auto' })
    expect(parseCpuOptions({ mode: 'throughput' })).toMatchObject({ threads: 1, workers: cores })
    expect(parseCpuOptions({ mode: 'throughput' }, 5)).toMatchObject({ threads: 1, workers: 5 })
    expect(parseCpuOptions({ mode: 'throughput', threads: 2, workers: 3 }, 5)).toMatchObject({ threads: 2, workers: 3 })
  })

  it('are refused when they are misspelt or out of range, naming the known ones', () => {
    for (const [options, problem] of [
      [{ worker: 1 }, 'worker'],
      [{ mode: 'latency', placment: 'inline' }, 'placment'],
      [{ ['__proto__']: 1 }, '__proto__'],
      [{ mode: 'fast' }, 'mode'],
      [{ threads: 0 }, 'threads'],
      [{ workers: 1.5 }, 'workers'],
      [{ placement: 'Worker' }, 'placement'],
      [['mode'], 'object'],
      [null, 'object'],
    ] as const) {
      expect(() => parseCpuOptions(options)).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringContaining(problem),
          remedy: 'Known options: mode, threads, workers, placement.',
        }),
      )
    }
  })
})

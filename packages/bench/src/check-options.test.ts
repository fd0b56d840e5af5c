import { describe, expect, it } from 'vitest'
import { runBench } from './bench.ts'
import { checkBenchOptions } from './check-options.ts'
import { parseCommandLine } from './options.ts'

const { options } = parseCommandLine([])

describe('checkBenchOptions', () => {
  it('takes what the command line gives', () => {
    expect(() => checkBenchOptions(options)).not.toThrow()
  })

  it.each([
    [{ suites: ['all'] }, /latency, overhead/],
    [{ suites: 'latency' }, /a list, each one of latency/],
    [{ model: 'resnet50' }, /'kind' as model/],
    [{ backends: [1] }, /a name as backends/],
    [{ precisions: ['fp64'] }, /fp32, fp16, int8/],
    [{ scenarios: ['burst'] }, /single-stream/],
    [{ batches: [0] }, /from 1 to 1024/],
    [{ seconds: 0 }, /above 0/],
    [{ accuracy: undefined }, /'accuracy' among the options/],
    [{ second: 3 }, /no 'second' among/],
  ])('refuses %j, before anything is measured', async (changes, message) => {
    const progress = { onStep: () => {}, onAdvance: () => {}, onOutcome: () => {} }
    const run = runBench({ ...options, ...changes } as typeof options, progress)
    await expect(run).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) })
  })
})

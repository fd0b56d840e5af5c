import { describe, expect, it } from 'vitest'
import { runBench } from './bench.ts'
import { checkBenchOptions } from './check-options.ts'
import { parseCommandLine } from './options.ts'

const { options } = parseCommandLine([])

const files = {
  kind: 'files',
  model: 'model.onnx',
  data: 'pictures',
  preprocess: 'imagenet',
  classOffset: 0,
  mostPictures: 10,
}

describe('checkBenchOptions', () => {
  it('takes what the command line gives', () => {
    expect(() => checkBenchOptions(options)).not.toThrow()
    const own = ['--model', 'package.json', '--data', 'packages', '--preprocess', '{"resize": 32}']
    expect(() => checkBenchOptions(parseCommandLine(own).options)).not.toThrow()
    expect(() => checkBenchOptions({ ...options, accuracy: files })).not.toThrow()
  })

  it.each([
    [{ suites: ['all'] }, /latency, overhead/],
    [{ suites: 'latency' }, /a list of at least one, each one of latency/],
    [{ suites: [] }, /at least one, each one of latency/],
    [{ model: 'resnet50' }, /\{ kind: 'file', path \} as model/],
    [{ model: { kind: 'generated', name: 'alexnet' } }, /one of .*resnet50.* as model/],
    [{ backends: [1] }, /a name as backends/],
    [{ precisions: ['fp64'] }, /fp32, fp16, int8/],
    [{ scenarios: ['burst'] }, /single-stream/],
    [{ batches: [0] }, /from 1 to 1024/],
    [{ seconds: 0 }, /above 0/],
    [{ int8Models: [] }, /at least one.* as int8Models/],
    [{ int8Models: [{ kind: 5 }] }, /kind: 'generated'.* as int8Models/],
    [{ int8Models: [{ kind: 'file', path: 7 }] }, /as int8Models/],
    [{ accuracy: { kind: 'nonsense' } }, /kind: 'reference'.* as accuracy/],
    [{ accuracy: { kind: 'reference', mostPictures: -4 } }, /1 to 1000000 pictures/],
    [{ accuracy: { kind: 'reference', mostPictures: 4, pictures: 4 } }, /as accuracy/],
    [{ accuracy: { ...files, preprocess: 'none' } }, /imagenet, mobilenet, squeezenet/],
    [{ accuracy: { ...files, data: undefined } }, /as accuracy/],
    [{ accuracy: { ...files, classOffset: 0.5 } }, /as accuracy/],
    [{ accuracy: undefined }, /'accuracy' among the options/],
    [{ second: 3 }, /no 'second' among/],
  ])('refuses %j, before anything is measured', async (changes, message) => {
    const progress = { onStep: () => {}, onAdvance: () => {}, onOutcome: () => {} }
    const run = runBench({ ...options, ...changes } as typeof options, progress)
    await expect(run).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) })
  })
})

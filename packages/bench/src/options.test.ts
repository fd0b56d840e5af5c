import { ConfigError } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { help, parseCommandLine } from './options.ts'
import { suiteNames } from './report.ts'
import { scenarioNames } from './scenarios/definitions.ts'

describe('parseCommandLine', () => {
  it('measures ResNet-50 in every scenario and every suite but int8 when nothing is said', () => {
    expect(parseCommandLine([])).toEqual({
      help: false,
      json: undefined,
      html: undefined,
      options: {
        suites: ['latency', 'overhead', 'preprocess', 'coldstart', 'accuracy'],
        model: { kind: 'generated', name: 'resnet50' },
        backends: ['cpu', 'cuda', 'trt'],
        precisions: ['fp32'],
        scenarios: scenarioNames,
        batches: [1],
        seconds: 8,
        accuracy: { kind: 'reference', mostPictures: 1000 },
        int8Models: ['resnet50', 'mobilenet_v2', 'vit_s16', 'bert_base'].map((name) => ({ kind: 'generated', name })),
      },
    })
  })

  it('reads every option', () => {
    const line =
      'latency --model tiny --backend cpu,npu --precision fp32,int8 --scenario server,offline --batch 1,8,8 --duration 0.5 --json a.json --html b.html'
    expect(parseCommandLine(line.split(' '))).toEqual({
      help: false,
      json: 'a.json',
      html: 'b.html',
      options: {
        suites: ['latency'],
        model: { kind: 'generated', name: 'tiny' },
        backends: ['cpu', 'npu'],
        precisions: ['fp32', 'int8'],
        scenarios: ['server', 'offline'],
        batches: [1, 8],
        seconds: 0.5,
        accuracy: { kind: 'reference', mostPictures: 1000 },
        int8Models: [{ kind: 'generated', name: 'tiny' }],
      },
    })
  })

  describe('for the accuracy of a model of the user', () => {
    const own = ['accuracy', '--model', 'package.json', '--data', 'packages']
    const path = (name: string) => expect.stringMatching(new RegExp(`${name}$`))

    it('reads every option', () => {
      const more = ['--qat', 'biome.json', '--preprocess', 'mobilenet', '--class-offset', '1', '--pictures', '50']
      expect(parseCommandLine([...own, ...more]).options).toMatchObject({
        suites: ['accuracy'],
        accuracy: {
          kind: 'files',
          model: path('package.json'),
          data: path('packages'),
          qat: path('biome.json'),
          preprocess: 'mobilenet',
          classOffset: 1,
          mostPictures: 50,
        },
      })
    })

    it('takes image options as JSON', () => {
      const { accuracy } = parseCommandLine([...own, '--preprocess', '{"resize":[8,8],"mean":128}']).options
      expect(accuracy).toMatchObject({ preprocess: { resize: [8, 8], mean: 128 } })
    })

    it.each(['resnet', '[1]', 'null', '{', ''])('refuses %j as preprocessing', (text) => {
      expect(() => parseCommandLine([...own, '--preprocess', text])).toThrow(ConfigError)
      expect(() => parseCommandLine([...own, '--preprocess', text])).toThrow(/imagenet, mobilenet, squeezenet.*JSON/)
    })
  })

  it('takes a file as the model', () => {
    const { model } = parseCommandLine(['--model', 'package.json']).options
    expect(model).toMatchObject({ kind: 'file', path: expect.stringMatching(/package\.json$/) })
  })

  it.each([
    [['throughput'], /latency, overhead, preprocess, coldstart, accuracy, int8/],
    [['latency', 'overhead'], /or none for all but int8/],
    [['--model', 'no-such.onnx'], /resnet50.*ONNX file that exists.*no-such\.onnx/],
    [['--model', 'packages'], /ONNX file that exists.*'packages'/],
    [['--backend', 'cpu,'], /cpu, cuda, trt/],
    [['--backend', 'auto'], /cpu, cuda, trt/],
    [['--precision', 'fp64'], /model, fp32, fp16, int8, got 'fp64'/],
    [['--scenario', 'burst'], /single-stream, multi-stream, server, offline/],
    [['--batch', '0'], /1 to 1024, got '0'/],
    [['--batch', '1.5'], /1 to 1024/],
    [['--duration', 'long'], /seconds above 0/],
    [['--duration', '0'], /seconds above 0/],
    [['--duration', ''], /seconds above 0/],
    [['--json', ' '], /--json to be the path/],
    [['--json', 'a.html', '--html', './a.html'], /another file than --json/],
    [['--duration', '1', '--duration', '2'], /--duration once/],
    [['coldstart', '--batch', '4'], /--batch to be left out.* for latency and not for coldstart, got '4'/],
    [['preprocess', '--backend', 'cpu'], /--backend to be left out/],
    [['latency', '--pictures', '4'], /--pictures to be left out.* for accuracy/],
    [['accuracy', '--precision', 'int8'], /--precision to be left out/],
    [['int8', '--precision', 'int8'], /--precision to be left out/],
    [['int8', '--batch', '8'], /--batch to be left out/],
    [['--pictures', '0'], /1 to 1000000, got '0'/],
    [['--class-offset=-1'], /--class-offset to be a whole number/],
    [['accuracy', '--model', 'package.json'], /--data to be given with --model/],
    [['accuracy', '--data', 'packages'], /--model FILE/],
    [['accuracy', '--data', 'packages', '--model', 'tiny'], /generated weights have no accuracy, got 'tiny'/],
    [['accuracy', '--data', 'no-such', '--model', 'package.json'], /--data to be a path that exists, got 'no-such'/],
    [
      ['accuracy', '--data', 'packages', '--model', 'package.json', '--qat', 'packages'],
      /--qat to be a file that exists, got 'packages'/,
    ],
    [['accuracy', '--qat', 'package.json'], /--qat to be given with --data/],
    [['accuracy', '--preprocess', 'imagenet'], /--preprocess to be given with --data/],
    [['accuracy', '--class-offset', '1'], /--class-offset to be given with --data/],
    [['--what'], /--what.*--model/s],
    [['--json'], /--json.*--model/s],
  ])('refuses %j with the valid values', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(ConfigError)
    expect(() => parseCommandLine(args)).toThrow(message)
  })

  it('describes every suite, scenario and option', () => {
    for (const name of [...suiteNames, ...scenarioNames, '--model', '--duration', '--json', '--html']) {
      expect(help).toContain(name)
    }
    expect(parseCommandLine(['-h']).help).toBe(true)
  })
})

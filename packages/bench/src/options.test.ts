import { ConfigError } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { help, parseCommandLine } from './options.ts'
import { suiteNames } from './report.ts'
import { scenarioNames } from './scenarios/definitions.ts'

describe('parseCommandLine', () => {
  it('measures ResNet-50 in every suite and scenario when nothing is said', () => {
    expect(parseCommandLine([])).toEqual({
      help: false,
      json: undefined,
      html: undefined,
      options: {
        suites: suiteNames,
        model: { kind: 'generated', name: 'resnet50' },
        backends: ['cpu', 'cuda', 'trt'],
        precisions: ['fp32'],
        scenarios: scenarioNames,
        batches: [1],
        seconds: 8,
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
      },
    })
  })

  it('takes a file as the model', () => {
    const { model } = parseCommandLine(['--model', 'package.json']).options
    expect(model).toMatchObject({ kind: 'file', path: expect.stringMatching(/package\.json$/) })
  })

  it.each([
    [['throughput'], /latency, overhead, preprocess, coldstart/],
    [['latency', 'overhead'], /or none for all/],
    [['--model', 'no-such.onnx'], /resnet50.*ONNX file that exists.*no-such\.onnx/],
    [['--backend', 'cpu,'], /cpu, cuda, trt/],
    [['--backend', 'auto'], /cpu, cuda, trt/],
    [['--precision', 'fp64'], /model, fp32, fp16, int8, got 'fp64'/],
    [['--scenario', 'burst'], /single-stream, multi-stream, server, offline/],
    [['--batch', '0'], /1 to 1024, got '0'/],
    [['--batch', '1.5'], /1 to 1024/],
    [['--duration', 'long'], /seconds above 0/],
    [['--duration', '0'], /seconds above 0/],
    [['--duration', ''], /seconds above 0/],
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

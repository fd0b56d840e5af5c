import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { mersenne } from 'pure-rand/generator/mersenne'
import { AUTO_SUBJECT, FLOAT_SUBJECT } from '../accuracy/variants.ts'
import { withRatios } from '../group.ts'
import { type MeasuredRow, noAccuracy, type Report } from '../report.ts'
import { summarize } from '../statistics.ts'

/** A report as a run of the bench gives it, from made-up samples. */
export function sampleReport(): Report {
  return {
    environment: {
      timestamp: '2026-01-02T03:04:05.678Z',
      cpu: 'Example CPU',
      cores: 2,
      cpuFlags: ['avx2', 'avx512f', 'avx512_vnni'],
      memoryBytes: 24e9,
      os: 'linux 6.1 x64',
      node: 'v20.20.2',
      lowlat: '0.0.0',
      revision: 'abc1234',
      onnxruntime: '1.30.0',
      sharp: '0.35.5',
      governor: null,
      loadAverage: 0.1,
      timerCostUs: 0.06,
      secondsPerRow: 10,
      method: { percentiles: 'nearest rank' },
    },
    rows: [
      ...pair('latency', 'single-stream', 46_000, 48_000, 210),
      ...pair('latency', 'server', 60_000, 75_000, 150),
      ...pair('overhead', 'single-stream', 43_300, 43_000, 220),
      ...pair('overhead', 'single-stream', 9, 5, 8000),
      ...pair('preprocess', 'single-stream', 2500, 2800, 1500),
      ...pair('coldstart', 'load + first run', 150_000, 340_000, 8),
      ...accuracyRows(),
      ...int8Rows(),
    ],
    unavailable: [
      { backend: 'cuda', precision: 'fp32', reason: "The backend 'cuda' is not installed.", remedy: 'Install <it>.' },
    ],
    failures: [],
  }
}

function pair(
  suite: MeasuredRow['suite'],
  scenario: MeasuredRow['scenario'],
  ownUs: number,
  peerUs: number,
  count: number,
): MeasuredRow[] {
  const common = { suite, scenario, model: `a model of ${peerUs} µs`, precision: 'fp32', batch: 1 } as const
  return withRatios([
    { ...common, ...figures(ownUs, count), subject: 'lowlat', backend: 'cpu', peer: false },
    { ...common, ...figures(peerUs, count), subject: 'plain onnxruntime-node', backend: 'none', peer: true },
  ])
}

function accuracyRows(): MeasuredRow[] {
  const common = {
    suite: 'accuracy',
    scenario: 'single-stream',
    model: 'a classifier, 400 pictures',
    backend: 'cpu',
    batch: 1,
  } as const
  return withRatios([
    {
      ...common,
      ...figures(12_000, 150),
      subject: FLOAT_SUBJECT,
      precision: 'fp32',
      peer: true,
      top1: 88.25,
      top5: 96.5,
      drop: 0,
      agreement: 100,
      sizeBytes: 13_970_264,
    },
    {
      ...common,
      ...figures(6000, 150),
      subject: AUTO_SUBJECT,
      precision: 'int8',
      peer: false,
      top1: 87.5,
      top5: 97,
      drop: 0.75,
      agreement: 98.5,
      sizeBytes: 765_432,
    },
  ])
}

function int8Rows(): MeasuredRow[] {
  const common = { suite: 'int8', scenario: 'single-stream', model: 'another model', backend: 'cpu', batch: 1 } as const
  return withRatios([
    {
      ...common,
      ...figures(80_000, 110),
      subject: FLOAT_SUBJECT,
      precision: 'fp32',
      peer: true,
      sizeBytes: 102_400_000,
    },
    { ...common, ...figures(24_000, 110), subject: 'INT8', precision: 'int8', peer: false, sizeBytes: 25_800_000 },
  ])
}

/** Samples around `centreUs` with a long upper tail, as latencies have. */
function figures(centreUs: number, count: number) {
  const random = mersenne(centreUs)
  const samplesUs = Float64Array.from({ length: count }, () => {
    const u = uniformFloat64(random)
    return centreUs * (0.97 + 0.05 * u + 0.02 * Math.max(0, 1 / (1.002 - u) - 1) ** 0.7)
  })
  const { p50Us, p90Us, p99Us, p999Us, meanUs } = summarize(samplesUs)
  return {
    p50Us,
    p90Us,
    p99Us,
    p999Us,
    throughput: 1e6 / meanUs,
    cpuUs: 1.9 * meanUs,
    eventLoopDelayP99Us: 150,
    peakRssBytes: 3e8,
    ratioToPeer: null,
    ...noAccuracy,
    samplesUs,
  }
}

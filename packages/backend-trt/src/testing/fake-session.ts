import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CompileOptions, OptimizationProfile, Plan, TensorInfo } from '@lowlat/core'
import { openDriver } from '@lowlat/cuda-driver'
import { GraphBuilder, onnxFromGraph } from '@lowlat/onnx'
import { buildSimulator, SimulatorControl } from '@lowlat/testing'
import { backendOver } from '../backend.ts'
import { TrtEngine } from '../engine/engine.ts'
import { parseTrtOptions } from '../options.ts'
import { TensorRt } from '../tensorrt/library.ts'
import { FakeNative } from './fake-native.ts'

/** Puts the simulator in the place of NVIDIA's driver. */
export async function useSimulatedDriver(): Promise<SimulatorControl> {
  const { driverPath } = await buildSimulator({ kernels: [] })
  process.env.LOWLAT_CUDA_DRIVER_LIB = driverPath
  openDriver() // before the control uses koffi, whose settings are fixed then
  return new SimulatorControl(driverPath)
}

/** A model whose outputs are its inputs. */
export function copyModel(...infos: readonly (readonly [input: string, output: string, shape: TensorInfo['shape']])[]) {
  const g = new GraphBuilder('copy')
  for (const [input, output, shape] of infos) {
    g.output(output, g.op('Identity', [g.input(input, 'float32', shape)]), 'float32', shape)
  }
  return onnxFromGraph(g.graph)
}

/** The backend on a {@link FakeNative}, with folders that go when the tests are over. */
export class FakeSession implements Disposable {
  readonly fake = new FakeNative()
  readonly tensorRt = new TensorRt(this.fake.open())
  readonly backend = backendOver(() => this.tensorRt)
  readonly folder = mkdtempSync(join(tmpdir(), 'lowlat-trt-test-'))

  compile(
    model: Uint8Array | string,
    options: Record<string, unknown> = {},
    profiles: readonly OptimizationProfile[] = [],
    rest: Partial<CompileOptions> = {},
  ): Promise<Plan> {
    const source =
      typeof model === 'string' ? ({ kind: 'file', path: model } as const) : ({ kind: 'bytes', bytes: model } as const)
    return this.backend.compile(source, {
      precision: 'model',
      profiles,
      backendOptions: { timingCache: false, ...options },
      workFolder: mkdtempSync(join(this.folder, 'work-')),
      ...rest,
    })
  }

  /** The engine itself, for what the contract does not show. */
  async load(plan: Plan, options: Record<string, unknown> = {}): Promise<TrtEngine> {
    return TrtEngine.load(this.tensorRt, plan, parseTrtOptions(options))
  }

  [Symbol.dispose](): void {
    this.fake.dispose()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

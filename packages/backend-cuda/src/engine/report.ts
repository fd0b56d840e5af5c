import type { LayerReport, Precision } from '@lowlat/core'
import type { DeviceProperties } from '@lowlat/cuda-driver'
import type { Program } from '../program/program.ts'
import { hostStepsOf } from './host-steps.ts'
import type { Prepared } from './prepared.ts'

/** A layer per kernel or host step, in the order of a run. */
export function layersOf({ steps }: Program): LayerReport[] {
  return steps.map((step) => {
    if (step.kind === 'host') {
      return { name: step.nodes.join(' + '), operator: step.operators.join(', '), tactic: 'host' }
    }
    const { nodes, operator, precision, launch } = step
    return { name: nodes.join(' + ') || launch.kernel, operator, precision, tactic: launch.tactic }
  })
}

interface Facts {
  readonly device: DeviceProperties
  readonly precision: Precision
  readonly tf32: boolean
  readonly weightsBytes: number
  /** Of each context: combinations of shapes that are ready. */
  readonly graphs: readonly number[]
}

export function propertiesOf(
  { device, precision, tf32, weightsBytes, graphs }: Facts,
  prepared: Prepared | undefined,
): Readonly<Record<string, unknown>> {
  const common = {
    device: device.name,
    computeCapability: device.computeCapability / 10,
    precision,
    tf32,
    weightsBytes,
    graphs,
  }
  if (!prepared) return common
  const { program, arena, schedule } = prepared
  return {
    ...common,
    inputShapes: Object.fromEntries(program.inputs.map(({ name, view }) => [name, view.shape])),
    arenaBytes: arena.sizeBytes,
    pinnedBytes: schedule.stagingBytes,
    hostOperators: [...new Set(hostStepsOf(program).flatMap(({ operators }) => operators))],
  }
}

import type { Precision, Session, Shape } from '@lowlat/core'
import type { CudaContext, DeviceMemory, Lease, WorkspaceSizes } from '@lowlat/cuda-driver'
import type { Graph } from '@lowlat/onnx'
import { lowerInSlices } from '../lower/lower.ts'
import { prepareError } from '../lowering-error.ts'
import { type ArenaPlan, planArena } from '../memory/arena.ts'
import type { CudaOptions } from '../options.ts'
import { type PlanConstants, ProgramConstants } from '../plan/program-constants.ts'
import type { DeviceFacts } from '../program/constants.ts'
import type { Program } from '../program/program.ts'
import type { DeviceBuffer } from '../program/view.ts'
import type { HostSessions } from './host-steps.ts'
import { pruneProgram, type Schedule, scheduleOf } from './schedule.ts'

/** What lowering at run time goes by: the same for all shapes. */
export interface LoweringParts {
  readonly graph: Graph
  readonly precision: Precision
  readonly device: DeviceFacts
  readonly constants: PlanConstants
  readonly options: CudaOptions
}

/** The shapes of one run, by input, and the outputs that are wanted: all where absent. */
export interface RunShape {
  readonly inputShapes: Readonly<Record<string, Shape>>
  readonly outputs?: readonly string[] | undefined
}

/** A program for one combination of shapes, with everything that contexts share. */
export class Prepared implements AsyncDisposable {
  readonly program: Program
  readonly arena: ArenaPlan
  readonly schedule: Schedule
  /** For the host phases, in order. */
  readonly sessions: readonly Session[]
  readonly #constants: ProgramConstants
  readonly #tables: DeviceMemory | undefined
  readonly #leases: readonly Lease<Session>[]

  private constructor(
    program: Program,
    constants: ProgramConstants,
    tables: DeviceMemory | undefined,
    leases: readonly Lease<Session>[],
  ) {
    this.program = program
    this.arena = planArena(program)
    this.schedule = scheduleOf(program)
    this.sessions = leases.map(({ value }) => value)
    this.#constants = constants
    this.#tables = tables
    this.#leases = leases
  }

  /**
   * Lowers the graph for these shapes, in the calling thread: tens of milliseconds for some hundred nodes.
   * @param giveWay awaited every millisecond of it.
   * @throws BackendError; ModelError.
   */
  static async create(
    { graph, precision, device, constants: weights, options }: LoweringParts,
    { inputShapes, outputs }: RunShape,
    cuda: CudaContext,
    hosts: HostSessions,
    giveWay: () => Promise<void>,
  ): Promise<Prepared> {
    const { tf32, hostFallback } = options
    const constants = new ProgramConstants(weights)
    const lowering = { inputShapes, precision, device, constants, hostFallback, tf32 }
    const whole = await lowerInSlices(graph, lowering, giveWay).catch((error: unknown) => {
      throw prepareError(error, inputShapes)
    })
    const program = outputs ? pruneProgram(whole, outputs) : whole
    const leases = await hosts.acquire(program)
    try {
      const bytes = constants.tableBytes()
      if (bytes.byteLength === 0) return new Prepared(program, constants, undefined, leases)
      const tables = cuda.allocate(bytes.byteLength)
      try {
        tables.write(bytes)
        return new Prepared(program, constants, tables, leases)
      } catch (error) {
        tables.dispose()
        throw error
      }
    } catch (error) {
      await Promise.all(leases.map((lease) => lease.release()))
      throw error
    }
  }

  /** What it needs of the memory of a context. */
  get sizes(): WorkspaceSizes {
    return { arenaBytes: this.arena.sizeBytes, stagingBytes: this.schedule.stagingBytes }
  }

  /** Where a table of this program is; undefined for constants of the plan. */
  tableAddress({ name }: DeviceBuffer): number | undefined {
    const offset = this.#constants.tableOffset(name)
    return offset === undefined ? undefined : this.#tables!.address + offset
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#tables?.dispose()
    } finally {
      await Promise.all(this.#leases.map((lease) => lease.release()))
    }
  }
}

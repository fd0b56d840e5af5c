import { type LayerTiming, monotonicUs, type Tensor } from '@lowlat/core'
import { type CudaEvent, Resources, type Workspace } from '@lowlat/cuda-driver'
import type { Execution, PhaseRunner } from './execution.ts'
import type { DevicePhase } from './schedule.ts'

/**
 * Mean times of all layers, from events between the kernels. These run one by one here instead of as a CUDA graph, so
 * that their sum is larger than the time of a run. Host steps are measured by the clock of the host.
 * @throws BackendError.
 */
export async function profileExecution(
  execution: Execution,
  workspace: Workspace,
  feeds: ReadonlyMap<string, Tensor>,
  runs: number,
): Promise<LayerTiming[]> {
  const times = new LayerTimes()
  const runner: PhaseRunner = {
    async device(phase, isFirst) {
      using resources = new Resources()
      const events: CudaEvent[] = []
      const mark = () => {
        const event = resources.own(workspace.context.createEvent())
        workspace.stream.record(event)
        events.push(event)
      }
      await workspace.signal.run(() => execution.recorder.phase(phase, isFirst, mark))
      times.addPhase(phase, events)
    },
    async host({ step }, run) {
      const startUs = monotonicUs()
      await run()
      times.add(step, step.nodes.join(' + '), `host: ${step.operators.join(', ')}`, monotonicUs() - startUs)
    },
  }
  for (let run = 0; run < runs; run++) await execution.run(feeds, undefined, runner)
  return times.means(runs)
}

class LayerTimes {
  readonly #totals = new Map<unknown, { name: string; operator: string; totalUs: number }>()

  /** `key` is the same in every run. */
  add(key: unknown, name: string, operator: string, us: number): void {
    const total = this.#totals.get(key)
    if (total) total.totalUs += us
    else this.#totals.set(key, { name, operator, totalUs: us })
  }

  /** @param events before the copies to the device, before each kernel, after the last one, and at the end. */
  addPhase(phase: DevicePhase, events: readonly CudaEvent[]): void {
    const elapsedUs = (index: number) => events[index + 1]!.elapsedUs(events[index]!)
    const { uploads, steps, downloads } = phase
    if (uploads.length > 0) this.add(uploads, namesOf(uploads), 'copy to the device', elapsedUs(0))
    for (const [index, step] of steps.entries()) {
      const { nodes, launch, operator } = step
      this.add(step, nodes.join(' + ') || launch.kernel, operator, elapsedUs(index + 1))
    }
    if (downloads.length > 0) this.add(downloads, namesOf(downloads), 'copy to the host', elapsedUs(steps.length + 1))
  }

  means(runs: number): LayerTiming[] {
    return [...this.#totals.values()].map(({ name, operator, totalUs }) => {
      return { name, operator, meanUs: totalUs / runs, calls: runs }
    })
  }
}

const namesOf = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).join(', ')

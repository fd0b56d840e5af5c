import { BackendError, type DType, isLowlatError, type Shape } from '@lowlat/core'
import { ALIGNMENT } from '../memory/arena.ts'
import type { ConstantStore } from '../program/constants.ts'
import { alignUp } from '../program/struct.ts'
import type { View } from '../program/view.ts'
import type { ConstantEntry } from './header.ts'
import { constantView } from './packing-store.ts'

/** A weight that was packed after the plan was made. */
interface LateConstant {
  readonly view: View
  readonly bytes: Uint8Array
}

/** The packed weights of a plan, by key, and those that were packed since. */
export class PlanConstants {
  readonly #entries: ReadonlyMap<string, { readonly view: View; readonly offset: number }>
  readonly #late = new Map<string, LateConstant>()

  constructor(entries: readonly ConstantEntry[]) {
    this.#entries = new Map(
      entries.map(({ key, dtype, shape, offset }) => [key, { view: constantView(key, dtype, shape), offset }]),
    )
  }

  find(key: string): View | undefined {
    return this.#entries.get(key)?.view ?? this.#late.get(key)?.view
  }

  /** From the start of the packed weights. */
  offsetOf(key: string): number | undefined {
    return this.#entries.get(key)?.offset
  }

  /**
   * Packs a weight whose elements are in the plan's model, because no shape that the plan was compiled for needed it.
   * @throws BackendError RUN_FAILED for one that was packed otherwise alone.
   */
  packLate(key: string, dtype: DType, shape: Shape, make: () => Uint8Array): View {
    const view = constantView(key, dtype, shape)
    try {
      this.#late.set(key, { view, bytes: make() })
    } catch (error) {
      throw isLowlatError(error, 'MODEL_UNSUPPORTED') ? notPacked(key, error) : error
    }
    return view
  }

  /** A weight that {@link packLate} packed. */
  late(key: string): LateConstant | undefined {
    return this.#late.get(key)
  }
}

/** The constants of one program: those of the plan, and small tables that depend on its shapes. */
export class ProgramConstants implements ConstantStore {
  readonly #plan: PlanConstants
  readonly #tables = new Map<string, { readonly view: View; readonly offset: number; readonly bytes: Uint8Array }>()
  #sizeBytes = 0

  constructor(plan: PlanConstants) {
    this.#plan = plan
  }

  /** @throws BackendError RUN_FAILED for a weight that cannot be packed as the shapes of this run want it. */
  get(key: string, dtype: DType, shape: Shape, make: () => Uint8Array): View {
    const known = this.#plan.find(key) ?? this.#tables.get(key)?.view
    if (known) return known
    if (!key.startsWith('table/')) return this.#plan.packLate(key, dtype, shape, make)
    const view = constantView(key, dtype, shape)
    const bytes = make()
    this.#tables.set(key, { view, offset: this.#sizeBytes, bytes })
    this.#sizeBytes += alignUp(bytes.byteLength, ALIGNMENT)
    return view
  }

  /** Of the tables that the plan does not have. */
  tableBytes(): Uint8Array {
    const all = new Uint8Array(this.#sizeBytes)
    for (const { offset, bytes } of this.#tables.values()) all.set(bytes, offset)
    return all
  }

  /** Where a table is in {@link tableBytes}. */
  tableOffset(key: string): number | undefined {
    return this.#tables.get(key)?.offset
  }
}

function notPacked(key: string, cause: unknown): BackendError {
  return new BackendError('RUN_FAILED', {
    message: `The plan does not hold the weight '${key}', which the shapes of this run need packed in this way.`,
    remedy: 'Add an optimisation profile that covers these shapes.',
    received: key,
    cause,
  })
}

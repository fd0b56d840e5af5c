import { InputError } from './errors.ts'
import { checkOptions, finiteRule, type RulesFor, signalRule, timelineRule, timeRule } from './options.ts'
import type { Timeline } from './timeline.ts'

/** A typed name under which one stage leaves a fact for a later stage of the same request. */
export interface Attachment<T> {
  readonly name: string
  /** Never set: carries the type. */
  readonly type?: T
}

export function attachment<T>(name: string): Attachment<T> {
  return Object.freeze({ name })
}

interface RequestFields {
  readonly timeline: Timeline
  readonly signal?: AbortSignal
  readonly deadlineUs?: number
  readonly priority?: number
}

const fieldRules: RulesFor<RequestFields> = {
  timeline: timelineRule,
  signal: signalRule,
  deadlineUs: timeRule,
  priority: finiteRule,
}

/** What travels with one request through a pipeline, beside the value itself. */
export class RequestContext {
  readonly timeline: Timeline
  readonly signal: AbortSignal | undefined
  /** Monotonic time by which the result is needed; undefined for no deadline. */
  readonly deadlineUs: number | undefined
  /** Higher runs earlier; 0 when not given. */
  readonly priority: number
  #attached: Map<Attachment<unknown>, unknown> | undefined

  /** @throws InputError INVALID_ARGUMENT for a field that is unknown or of the wrong type. */
  constructor(fields: RequestFields) {
    checkOptions('fields of a request', fields, fieldRules)
    this.timeline = fields.timeline
    this.signal = fields.signal
    this.deadlineUs = fields.deadlineUs
    this.priority = fields.priority ?? 0
  }

  attach<T>(key: Attachment<T>, value: T): void {
    this.#attached ??= new Map()
    this.#attached.set(key, value)
  }

  get<T>(key: Attachment<T>): T | undefined {
    return this.#attached?.get(key) as T | undefined
  }

  /** @throws InputError INVALID_ARGUMENT when no earlier stage attached it. */
  require<T>(key: Attachment<T>, remedy: string): T {
    const value = this.get(key)
    if (value === undefined) {
      throw new InputError('INVALID_ARGUMENT', {
        message: `Expected an earlier stage to attach '${key.name}', but none did.`,
        remedy,
        expected: key.name,
      })
    }
    return value
  }
}

/**
 * How a source image was placed into a model's input: `target = source * scale + offset`, in pixels, per axis.
 * Image stages attach it; detection and segmentation stages map results back with it.
 */
export interface ImageTransform {
  readonly sourceWidth: number
  readonly sourceHeight: number
  readonly targetWidth: number
  readonly targetHeight: number
  readonly scaleX: number
  readonly scaleY: number
  readonly offsetX: number
  readonly offsetY: number
}

export const imageTransform = attachment<ImageTransform>('image transform')

import { monotonicUs } from './clock.ts'
import type { Segment, SpanSink } from './contract.ts'

export interface Span {
  readonly segment: Segment
  /** Start and end in microseconds of the monotonic clock. */
  readonly startUs: number
  readonly endUs: number
  /** The stage or the operation, where a segment has several. */
  readonly label?: string
}

/** Where the time of one request went: spans in the order in which they ended. */
export class Timeline implements SpanSink {
  readonly startUs: number
  readonly spans: Span[] = []
  #endUs: number | undefined

  constructor(startUs: number = monotonicUs()) {
    this.startUs = startUs
  }

  span(segment: Segment, startUs: number, endUs: number, label?: string): void {
    this.spans.push(label === undefined ? { segment, startUs, endUs } : { segment, startUs, endUs, label })
  }

  /** Marks the end of the request; later calls change nothing. */
  end(endUs: number = monotonicUs()): void {
    this.#endUs ??= endUs
  }

  /** From start to end, or until now while the request runs. */
  get totalUs(): number {
    return (this.#endUs ?? monotonicUs()) - this.startUs
  }

  /** Sum of the spans of a segment; spans that overlap count twice. */
  durationUs(segment: Segment): number {
    return this.spans.reduce((sum, span) => (span.segment === segment ? sum + span.endUs - span.startUs : sum), 0)
  }

  toJSON(): { totalUs: number; spans: (Span & { offsetUs: number; durationUs: number })[] } {
    return {
      totalUs: this.totalUs,
      spans: this.spans.map((span) => ({
        ...span,
        offsetUs: span.startUs - this.startUs,
        durationUs: span.endUs - span.startUs,
      })),
    }
  }
}

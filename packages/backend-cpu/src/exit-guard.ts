import { monotonicUs } from '@lowlat/core'
import { close } from './native-gate.js'

/** How long an exit waits for native calls that are under way, all workers together. */
const EXIT_WAIT_MS = 5000

const gates = new Set<Int32Array>()

/** Waits, when this thread exits, until the worker behind `gate` has left native code. Until {@link unguardExit}. */
export function guardExit(gate: Int32Array): void {
  if (gates.size === 0) process.once('exit', closeAll)
  gates.add(gate)
}

/** For a worker that has ended. */
export function unguardExit(gate: Int32Array): void {
  gates.delete(gate)
  if (gates.size === 0) process.off('exit', closeAll)
}

function closeAll(): void {
  const endUs = monotonicUs() + EXIT_WAIT_MS * 1000
  for (const gate of gates) close(gate, Math.max(0, (endUs - monotonicUs()) / 1000))
}

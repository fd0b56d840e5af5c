// @ts-check
/**
 * A thread that is ended while native code runs in it takes the process with it (SIGABRT, from the Node-API C++
 * wrapper). So native code passes a gate in memory that a worker thread shares with its owner: whoever is about to end
 * the thread closes the gate and waits until nobody is inside. Plain JavaScript, since the worker starts without a build.
 */

const INSIDE = 0
const CLOSED = 1

/** @returns {Int32Array} an open gate with nobody inside */
export function createGate() {
  return new Int32Array(new SharedArrayBuffer(8))
}

/**
 * Goes in, unless the gate is closed. For one thread at a time.
 * @param {Int32Array} gate
 */
export function enter(gate) {
  Atomics.store(gate, INSIDE, 1)
  // In this order, as close() has its own: one of the two sides always sees the other.
  if (Atomics.load(gate, CLOSED) === 0) return true
  leave(gate)
  return false
}

/** @param {Int32Array} gate */
export function leave(gate) {
  Atomics.store(gate, INSIDE, 0)
  Atomics.notify(gate, INSIDE)
}

/**
 * Lets nobody in any more, and blocks this thread until nobody is inside, at most `timeoutMs`.
 * @param {Int32Array} gate
 * @param {number} timeoutMs
 */
export function close(gate, timeoutMs) {
  Atomics.store(gate, CLOSED, 1)
  Atomics.wait(gate, INSIDE, 1, timeoutMs)
}

// @ts-check
/**
 * Holds one ONNX Runtime session, which executes synchronously and would otherwise block the application's event loop.
 * Runs in a worker thread for requests, and in a child process for compiling. Plain JavaScript, so that both start from
 * source without a build or a loader.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { createGate, enter, leave } from './native-gate.js'

/** @import { InferenceSession, Tensor } from 'onnxruntime-node' */
/** @import { Created, Ran, WireTensor, WorkerCall, WorkerReply } from './protocol.ts' */

// onnxruntime-node 1.30 turns float16 into a Float16Array where there is one (Node 24) and then cannot read it. This
// thread is ours alone, so it does without; the library looks when its first tensor is made.
Reflect.deleteProperty(globalThis, 'Float16Array')

/** @type {Int32Array} */
const gate = workerData?.gate ?? createGate()

/** @type {{ session: InferenceSession, Tensor: typeof import('onnxruntime-node').Tensor } | undefined} */
let loaded

const nowUs = () => Number(process.hrtime.bigint()) / 1000

// One call at a time, in the order in which they came, so that an `end` finds the calls before it answered.
let answered = Promise.resolve()
const inbox = parentPort ?? process
inbox.on('message', (/** @type {WorkerCall} */ call) => {
  answered = answered.then(() => answer(call))
})

/** @type {(call: WorkerCall) => Promise<void>} */
async function answer(call) {
  if (!enter(gate)) return // The process exits: nobody waits for an answer.
  const buffers = call.kind === 'run' ? call.feeds.map((feed) => feed.buffer) : []
  try {
    if (call.kind === 'end') return await end()
    const reply = call.kind === 'create' ? await create(call) : await run(call, buffers)
    const transfer = reply.kind === 'ran' ? [...buffers, ...reply.fetches.map((fetch) => fetch.buffer)] : []
    send({ ...reply, id: call.id }, transfer)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (call.kind !== 'end') send({ kind: 'failed', id: call.id, message, buffers }, buffers)
  } finally {
    leave(gate)
  }
}

/** @type {(reply: WorkerReply, transfer: ArrayBuffer[]) => void} */
function send(reply, transfer) {
  if (parentPort) parentPort.postMessage(reply, transfer)
  else process.send?.(reply)
}

/** @type {(call: Extract<WorkerCall, { kind: 'create' }>) => Promise<Created>} */
async function create({ model, options }) {
  // Not before a call: loading native code goes through the gate, too.
  const { InferenceSession, Tensor } = await import('onnxruntime-node')
  const session = await ('path' in model
    ? InferenceSession.create(model.path, options)
    : InferenceSession.create(model.bytes, options))
  loaded = { session, Tensor }
  return { kind: 'created', inputs: session.inputMetadata, outputs: session.outputMetadata }
}

/** Lets the thread end by itself, once the session has written what it still has to write (a profile's trace). */
async function end() {
  await loaded?.session.release()
  parentPort?.close()
}

/** @type {(call: Extract<WorkerCall, { kind: 'run' }>, buffers: ArrayBuffer[]) => Promise<Ran>} */
async function run({ feeds, outputs }, buffers) {
  if (!loaded) throw new Error('no session was created')
  const { session, Tensor } = loaded
  const startUs = nowUs()
  const results = await session.run(
    Object.fromEntries(
      feeds.map(({ name, type, dims, buffer }) => [name, new Tensor(type, arrayOver(type, buffer), dims)]),
    ),
    outputs ?? session.outputNames,
  )
  const endUs = nowUs()
  const fetches = Object.entries(results).map(([name, tensor]) => wireFrom(name, tensor))
  return { kind: 'ran', fetches, buffers, startUs, endUs, sentUs: nowUs() }
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
}

/** @type {(type: WireTensor['type'], buffer: ArrayBuffer) => InstanceType<typeof arrays[keyof typeof arrays]>} */
function arrayOver(type, buffer) {
  return new arrays[/** @type {keyof typeof arrays} */ (type)](buffer)
}

/**
 * The library owns the memory of its outputs, so one copy is needed to hand them to another thread.
 * @type {(name: string, tensor: Tensor) => WireTensor}
 */
function wireFrom(name, tensor) {
  const data = /** @type {ArrayBufferView} */ (/** @type {unknown} */ (tensor.data))
  const buffer = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer
  return { name, type: tensor.type, dims: tensor.dims, buffer }
}

import { InferenceSession, Tensor, type TypedTensor } from 'onnxruntime-node'
import { readJpegs } from '../images.ts'
import { decodeNaively } from './sharp-decode.ts'
import type { Load, Subject } from './spec.ts'
import { checksum, syntheticInputs } from './synthetic.ts'

/**
 * The peer: onnxruntime-node as its documentation shows it (create a session from a path, wrap the data in a tensor,
 * run, all with default options), with sharp and a plain loop before it and a sort after it.
 */
export async function createPlain(load: Load): Promise<Subject> {
  const session = await InferenceSession.create(load.model.path)
  const run = load.jpegs ? await imageRunner(session, load) : tensorRunner(session, load)
  return { run, dispose: () => session.release() }
}

function tensorRunner(session: InferenceSession, { model, batch }: Load): Subject['run'] {
  const inputs = syntheticInputs(model.inputs, batch)
  const output = session.outputNames[0]!
  return async () => {
    const feeds: Record<string, Tensor> = {}
    for (const { name, dtype, data, shape } of inputs) feeds[name] = new Tensor(dtype as Tensor.Type, data, shape)
    const results = await session.run(feeds)
    return checksum(results[output]!.data as ArrayLike<number | bigint>)
  }
}

async function imageRunner(session: InferenceSession, { model, batch, jpegs }: Load): Promise<Subject['run']> {
  const images = await readJpegs(jpegs!)
  const size = model.imageSize!
  const input = session.inputNames[0]!
  const output = session.outputNames[0]!
  return async (index) => {
    const data = new Float32Array(batch * 3 * size * size) // [N, 3, H, W]
    const rows = Array.from({ length: batch }, (_, row) => row)
    await Promise.all(
      rows.map((row) =>
        decodeNaively(images[(index * batch + row) % images.length]!, size, data, row * 3 * size * size),
      ),
    )
    const results = await session.run({ [input]: new Tensor('float32', data, [batch, 3, size, size]) })
    const { data: scores, dims } = results[output] as TypedTensor<'float32'>
    const classes = dims[1]!
    let sum = 0
    for (const row of rows) {
      const best = [...scores.subarray(row * classes, (row + 1) * classes)]
        .map((score, label) => ({ score, label: `class ${label}` }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 5)
      sum += checksum(best.map(({ score }) => score))
    }
    return sum
  }
}

/**
 * The same application on another backend, by configuration alone.
 *
 *   node index.ts [SESSION.json ...]
 *
 * Each file names the model, the backend and its options; the code below knows none of them.
 */
import { writeFile } from 'node:fs/promises'
import { createSessionFromFile, isLowlatError, Tensor } from '@lowlat/core'
import { generateModel } from '@lowlat/onnx'

const here = new URL('./', import.meta.url)
const files = process.argv.slice(2)
if (files.length === 0) {
  // The configurations beside this file share a small model, generated for the occasion.
  await writeFile(new URL('model.onnx', here), generateModel('tiny'))
  files.push(...['cpu', 'cpu-throughput', 'best', 'trt-only'].map((name) => new URL(`${name}.json`, here).href))
}

for (const file of files) {
  try {
    await using session = await createSessionFromFile(file.startsWith('file:') ? new URL(file) : file)
    const [input] = session.inputs
    const shape = input!.shape.map((dim) => (typeof dim === 'number' ? dim : 1))
    const fetches = await session.run({ [input!.name]: Tensor.zeros(input!.dtype, shape) })
    const outputs = Object.entries(fetches).map(([name, tensor]) => `${name} [${tensor.shape.join(', ')}]`)
    console.log(`${file.split('/').at(-1)}: runs on ${session.backend}, returns ${outputs.join(', ')}`)
    console.log('  ', session.inspect().properties)
    for (const choice of session.selection) {
      if (!choice.used) console.log(`   passed over ${choice.backend}: ${choice.reason}`)
    }
  } catch (error) {
    if (!isLowlatError(error)) throw error
    console.log(`${file.split('/').at(-1)}: ${error.code}: ${error.message}`)
  }
}

/**
 * One network as FP32, FP16 and INT8, each an engine for pictures of 128 to 512 pixels: built once, never for a new size.
 *
 *   node index.ts [BACKEND [MODEL.onnx]]
 *
 * BACKEND is 'auto' by default: TensorRT, else the first of CUDA and the CPU that is there, with the same code. The model is
 * a generated ResNet-50; yours has one input of pictures, with the open sizes [batch, 3, height, width].
 */
import { createSession, isLowlatError, sizeOf, Tensor } from '@lowlat/core'
import { type Graph, generateGraph, graphFromFile, onnxFromGraph } from '@lowlat/onnx'
import { convertToFloat16, quantize } from '@lowlat/quantize'

const [backend = 'auto', path] = process.argv.slice(2)
const SIZES = [128, 224, 320, 512]
const RUNS = 5

const graph = path ? await graphFromFile(path) : openSizes(generateGraph('resnet50', { seed: 1 }))
const float = onnxFromGraph(graph)
const input = graph.inputs[0]!
const shapeAt = (pixels: number) =>
  input.shape!.map((size, axis) => (typeof size === 'number' ? size : axis === 0 ? 1 : pixels))
const profiles = [{ [input.name]: { min: shapeAt(128), opt: shapeAt(224), max: shapeAt(512) } }]

/** Noise in the place of normalised pictures: take your own, since the ranges of the activations depend on them. */
const picture = (pixels: number) => {
  const shape = shapeAt(pixels)
  return new Tensor(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => 4 * Math.random() - 2),
  )
}

// TensorRT 11 takes precision from the model alone, and 10 can: what is float16 and what is integer stands in the graph.
const models = {
  fp32: float,
  fp16: onnxFromGraph(convertToFloat16(graph).graph),
  int8: (await quantize(float, { samples: Array.from({ length: 8 }, () => picture(128)), target: 'trt' })).model,
}

const pictures = SIZES.map(picture)
let expected: Float32Array[] | undefined
for (const [precision, model] of Object.entries(models)) {
  const onBuild = (event: { kind: string; phase?: string; parent?: string }) => {
    if (event.kind === 'phase-start' && !event.parent) console.log(`${precision}: ${event.phase}`)
  }
  await using session = await createSession(model, {
    backend,
    profiles,
    contexts: 1,
    backendOptions: { trt: { onBuild } },
  })
  if (!expected) {
    for (const choice of session.selection) if (!choice.used) console.log(choice.reason)
    console.log(
      `\non ${session.backend}  ${SIZES.map((size) => `${size} px`.padStart(11)).join('')}   cosine with FP32`,
    )
  }
  const outputs: Float32Array[] = []
  const times: number[] = []
  for (const tensor of pictures) {
    const took: number[] = []
    for (let run = 0; run < RUNS; run++) {
      const start = performance.now()
      const fetches = await session.run({ [input.name]: tensor })
      took.push(performance.now() - start)
      if (run === 0) outputs.push(Object.values(fetches)[0]!.toFloat32())
    }
    times.push(took.sort((a, b) => a - b)[RUNS >> 1]!)
  }
  expected ??= outputs
  const least = Math.min(...outputs.map((output, i) => cosine(output, expected![i]!)))
  console.log(
    `${precision}${' '.repeat(session.backend.length)} ${times.map((ms) => `${ms.toFixed(2)} ms`.padStart(11)).join('')}   ${least.toFixed(4)}`,
  )
  if (precision !== 'int8') continue
  await session.run({ [input.name]: picture(96) }).catch((error) => {
    if (!isLowlatError(error, 'SHAPE_OUTSIDE_PROFILE')) throw error
    console.log(`\n96 px: ${error.message}`)
  })
}

function openSizes(graph: Graph): Graph {
  graph.inputs[0]!.shape = ['batch', 3, 'height', 'width']
  return graph
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

import {
  createSession,
  type Feeds,
  infer,
  type OptimizationProfile,
  pipeline,
  type Session,
  Tensor,
} from '@lowlat/core'
import { type Classification, topKBatch } from '@lowlat/postprocess'
import { createImageDecoder, decodeBatch, decodeImage, imagenet } from '@lowlat/preprocess'
import { readJpegs } from '../images.ts'
import { backendInput } from './backends.ts'
import { cropFor } from './sharp-decode.ts'
import type { Load, SessionSpec, Subject } from './spec.ts'
import { checksum, shapeOf, syntheticInputs } from './synthetic.ts'

/** Open-loop arrivals pile up behind a stall; the bench measures that rather than being refused. */
export const MAX_QUEUE = 16_384

/** @throws LowlatError when the backend, the precision or the model cannot be had here. */
export async function createLowlat(load: Load, spec: SessionSpec): Promise<Subject> {
  const session = await createSession(load.model.path, {
    backend: backendInput(spec.backend),
    precision: spec.precision,
    profiles: profilesFor(load),
    maxQueue: MAX_QUEUE,
    ...(spec.cacheFolder !== undefined && { cache: { folder: spec.cacheFolder } }),
    ...(spec.backendOptions && { backendOptions: spec.backendOptions }),
    ...(spec.warmup !== undefined && { warmup: spec.warmup }),
  })
  const run = load.jpegs ? await imageRunner(session, load) : tensorRunner(session, load)
  const rehearse = async (index: number) => {
    await run(index)
  }
  return { run, ...(spec.rehearse && { prepare: rehearse }), dispose: () => session.dispose() }
}

/** One profile at exactly the shapes that are going to run. */
function profilesFor({ model, batch }: Load): OptimizationProfile[] {
  const open = model.inputs.filter((info) => info.shape.some((dim) => typeof dim === 'string'))
  if (open.length === 0) return []
  const exactly = (shape: readonly number[]) => ({ min: shape, opt: shape, max: shape })
  return [Object.fromEntries(open.map((info) => [info.name, exactly(shapeOf(info, batch))]))]
}

function tensorRunner(session: Session, { model, batch }: Load): Subject['run'] {
  const feeds: Feeds = Object.fromEntries(
    syntheticInputs(model.inputs, batch).map(({ name, dtype, shape, data }) => [name, new Tensor(dtype, shape, data)]),
  )
  const output = session.outputs[0]!.name
  return async () => checksum((await session.run(feeds))[output]!.data)
}

async function imageRunner(session: Session, { model, batch, jpegs }: Load): Promise<Subject['run']> {
  const images = await readJpegs(jpegs!)
  const options = { ...cropFor(model.imageSize!), ...imagenet }
  const output = session.outputs[0]!
  const [, classes] = output.shape
  const labels = typeof classes === 'number' && Array.from({ length: classes }, (_, index) => `class ${index}`)
  const classify = infer(session, { output: output.name })
  const best = topKBatch(5, labels ? { labels } : {})
  const image = (index: number) => images[index % images.length]!
  if (batch === 1) {
    const pipe = pipeline(decodeImage(options)).pipe(classify).pipe(best)
    return async (index) => scoreSum(await pipe.run(image(index)))
  }
  const decoder = createImageDecoder(options)
  const decodeAll = async (inputs: readonly Uint8Array[]) => (await decodeBatch(decoder, inputs)).tensor
  const pipe = pipeline(decodeAll).pipe(classify).pipe(best)
  return async (index) =>
    scoreSum(await pipe.run(Array.from({ length: batch }, (_, row) => image(index * batch + row))))
}

function scoreSum(rows: readonly (readonly Classification[])[]): number {
  return checksum(rows.flatMap((row) => row.map(({ score }) => score)))
}

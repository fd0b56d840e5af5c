import { createSession, InputError, pipeline, type Session, type Tensor } from '@lowlat/core'
import { createImageDecoder, decodeImage, type ImageInput } from '@lowlat/preprocess'
import type { Target } from '@lowlat/quantize'
import { referenceDataset } from '../reference/dataset.ts'
import { backendInput } from '../subjects/backends.ts'
import { Tally } from './tally.ts'
import type { Accuracy, AccuracyTask, PictureSource, Variant, VariantFile } from './task.ts'
import { VariantMaker } from './variant-maker.ts'

/** Pictures that are decoded while others are classified. */
const IN_FLIGHT = 4

export interface AccuracyRequest {
  readonly task: AccuracyTask
  readonly target: Target
  /** For the models that are made. */
  readonly folder: string
}

interface LabelledPicture {
  readonly image: ImageInput
  readonly label: number
}

/** Makes the variants of a model, and evaluates all of them picture by picture: each is decoded once and not kept. */
export class AccuracyHost {
  readonly #task: AccuracyTask
  readonly #target: Target
  readonly #maker: VariantMaker
  readonly #files: VariantFile[] = []
  #evaluation: { tally: Tally; pictures: AsyncIterator<void> } | undefined

  private constructor({ task, target, folder }: AccuracyRequest, samples: readonly Tensor[]) {
    this.#task = task
    this.#target = target
    this.#maker = new VariantMaker(task, target, folder, samples)
  }

  /** @throws ImageError for a calibration picture that cannot be decoded. */
  static async open(request: AccuracyRequest): Promise<AccuracyHost> {
    const { calibration, image } = request.task
    const decoder = createImageDecoder({ ...image, dtype: 'float32' })
    const samples: Tensor[] = []
    for await (const picture of read(calibration)) samples.push((await decoder.decode(picture.image)).tensor)
    return new AccuracyHost(request, samples)
  }

  /** Makes a variant; it will be evaluated. The first one is what the others are compared with. */
  async prepare(variant: Variant): Promise<VariantFile> {
    const file = await this.#maker.make(variant)
    this.#files.push(file)
    return file
  }

  /** Evaluates the next pictures, and says how many have been so far; the same number again means that it is over. */
  async evaluate(count: number): Promise<number> {
    this.#evaluation ??= await this.#begin()
    const { tally, pictures } = this.#evaluation
    for (let i = 0; i < count; i++) if ((await pictures.next()).done) break
    return tally.pictures
  }

  /** Of the variants, in the order in which they were prepared. */
  get accuracies(): Accuracy[] {
    return this.#evaluation!.tally.accuracies
  }

  async #begin() {
    const sessions: Session[] = []
    for (const { path } of this.#files) {
      sessions.push(
        await createSession(path, {
          backend: backendInput(this.#target),
          // One thread each: together they keep the cores busy.
          backendOptions: { cpu: { threads: 1, workers: 1, placement: 'worker' } },
          cache: false,
          warmup: false,
        }),
      )
    }
    const tally = new Tally(sessions.length)
    return { tally, pictures: this.#classify(sessions, tally) }
  }

  async *#classify(sessions: readonly Session[], tally: Tally): AsyncGenerator<void> {
    const labels: number[] = []
    const { evaluation, image } = this.#task
    async function* images() {
      for await (const picture of read(evaluation)) {
        labels.push(picture.label)
        yield picture.image
      }
    }
    const classify = pipeline(decodeImage({ ...image, dtype: 'float32' })).pipe((tensor: Tensor) =>
      Promise.all(sessions.map((session) => scoresOf(session, tensor))),
    )
    for await (const scores of classify.stream(images(), { maxInFlight: IN_FLIGHT })) {
      const label = labels[tally.pictures]!
      checkLabel(label, scores[0]!.length)
      tally.add(scores, label)
      yield
    }
  }
}

async function scoresOf(session: Session, tensor: Tensor): Promise<Float32Array> {
  const fetches = await session.run({ [session.inputs[0]!.name]: tensor })
  return fetches[session.outputs[0]!.name]!.toFloat32()
}

async function* read(source: PictureSource): AsyncGenerator<LabelledPicture> {
  if (source.kind === 'files') for (const { path, label } of source.files) yield { image: path, label }
  else yield* referenceDataset(source)
}

/** Where the model's file does not say how many classes there are, its scores do. */
function checkLabel(label: number, classes: number): void {
  if (label < classes) return
  throw new InputError('INVALID_ARGUMENT', {
    message: `Expected classes from 0 to ${classes - 1}, of which the model gives scores, got ${label}.`,
    remedy: 'Number the classes as the model does; --class-offset shifts all of them.',
    expected: classes,
    received: label,
  })
}

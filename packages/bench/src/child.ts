/** Entry of the processes that subjects live in. */
import { isLowlatError, messageOf } from '@lowlat/core'
import type { AccuracyHost } from './accuracy/host.ts'
import type { ErrorReport, Reply, TaskMessage } from './protocol.ts'
import { SubjectHost } from './subject-host.ts'

const host = new SubjectHost()
let accuracy: AccuracyHost | undefined

process.on('disconnect', () => process.exit())
process.on('message', (message: TaskMessage) => {
  perform(message).then(
    (response) => reply({ ok: true, response }),
    (error: unknown) => reply({ ok: false, error: reportOf(error) }),
  )
})

/** Model and image tools are loaded only where they are asked for: subjects' processes stay lean. */
async function perform(message: TaskMessage): Promise<unknown> {
  switch (message.kind) {
    case 'jpegs':
      return (await import('./images.ts')).writeJpegs(message.request.folder)
    case 'model':
      return (await import('./models.ts')).loadModelFacts(message.request)
    case 'probe':
      return (await import('./subjects/backends.ts')).absenceOf(message.request.backend)
    case 'open':
      return host.open(message.request)
    case 'slice':
      return host.slice(message.request)
    case 'close':
      return host.close()
    case 'paired':
      return (await import('./paired-host.ts')).runInTurns(message.request)
    case 'coldStart':
      return host.coldStart(message.request)
    case 'accuracyTask':
      return (await import('./accuracy/prepare.ts')).prepareAccuracy(message.request)
    case 'accuracyOpen':
      accuracy = await (await import('./accuracy/host.ts')).AccuracyHost.open(message.request)
      return undefined
    case 'accuracyPrepare':
      return accuracy!.prepare(message.request)
    case 'accuracyEvaluate':
      return accuracy!.evaluate(message.request.count)
    case 'accuracyResults':
      return accuracy!.accuracies
    case 'quantize':
      return (await import('./quantized-model.ts')).writeQuantized(message.request)
  }
}

function reply(message: Reply): void {
  process.send?.(message)
}

function reportOf(error: unknown): ErrorReport {
  return isLowlatError(error)
    ? { message: error.message, code: error.code, remedy: error.remedy }
    : { message: messageOf(error) }
}

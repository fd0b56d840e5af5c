import { Tensor } from '@lowlat/core'
import { denseModel } from '@lowlat/testing'
import { describe, expect, it } from 'vitest'
import { codeOf, type Ending, exitCodes } from './testing/exiting-process.ts'

const model = denseModel(Tensor.zeros('float32', [1024, 1024]))

describe('a process that ends', () => {
  it('has its own exit code, whatever its workers do at that moment', async () => {
    const endings: Ending[] = [
      { how: 'exit', moment: 'load', delayMs: 0 },
      { how: 'exit', moment: 'load', delayMs: 60 },
      { how: 'exit', moment: 'run', delayMs: 15 },
      { how: 'throw', moment: 'run', delayMs: 40 },
    ]
    expect(await exitCodes(model, endings)).toEqual(endings.map(codeOf))
  })
})

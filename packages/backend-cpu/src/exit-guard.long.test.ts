import { Tensor } from '@lowlat/core'
import { denseModel } from '@lowlat/testing'
import { expect, it } from 'vitest'
import { codeOf, type Ending, exitCodes } from './testing/exiting-process.ts'

const model = denseModel(Tensor.zeros('float32', [1024, 1024]))

it('a process that ends at any moment has its own exit code', async () => {
  const endings = Array.from(
    { length: 40 },
    (_, i): Ending => ({
      how: i % 4 === 3 ? 'throw' : 'exit',
      moment: i % 2 === 0 ? 'load' : 'run',
      delayMs: Math.floor(i / 2) * 7,
    }),
  )
  expect(await exitCodes(model, endings)).toEqual(endings.map(codeOf))
})

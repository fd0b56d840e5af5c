import { expect, it } from 'vitest'
import { codeOf, type Ending, exitCodes } from './testing/exiting-process.ts'

it('a process that ends at any moment has its own exit code', async () => {
  const endings = Array.from(
    { length: 40 },
    (_, i): Ending => ({
      how: i % 4 === 3 ? 'throw' : 'exit',
      moment: i % 2 === 0 ? 'load' : 'run',
      delayMs: Math.floor(i / 2) * 7,
    }),
  )
  expect(await exitCodes(endings)).toEqual(endings.map(codeOf))
})

import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { runSanitized } from './sanitized.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

/**
 * Runs tests of the workspace in a process with AddressSanitizer and UndefinedBehaviorSanitizer, where they build what is
 * native with them as well. Some have to pass, and nothing may be reported.
 * @param files files or folders, absolute or from the root of the workspace.
 */
export async function expectCleanTests(...files: readonly string[]): Promise<void> {
  const { exitCode, output } = await runSanitized({
    args: ['node_modules/vitest/vitest.mjs', 'run', '--testTimeout=300000', '--hookTimeout=900000', ...files],
    cwd: root,
  })
  expect(output).toMatch(/Tests .*passed/)
  expect(output).not.toMatch(/Sanitizer|runtime error/)
  expect(exitCode, output).toBe(0)
}

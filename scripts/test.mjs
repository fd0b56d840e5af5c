// @ts-check
// `pnpm test`: everything that must hold for a change, quick checks first. Stops at the first step that fails.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const results = fileURLToPath(new URL('../node_modules/.cache/lowlat-tests.json', import.meta.url))
mkdirSync(dirname(results), { recursive: true })
rmSync(results, { force: true })

/** @type {[name: string, command: string, args: string[]][]} */
const steps = [
  ['format and lint', 'biome', ['check', '.']],
  ['types', 'tsc', ['--noEmit']],
  ['imports', 'depcruise', ['packages', 'examples', '--config', '.dependency-cruiser.cjs', '--output-type', 'err']],
  ['unused code', 'knip', []],
  ['build and exports', 'turbo', ['run', 'build', 'publint', '--output-logs=errors-only', '--log-order=grouped']],
  [
    'tests',
    'vitest',
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`, ...process.argv.slice(2)],
  ],
]

let failed = false
for (const [name, command, args] of steps) {
  const start = performance.now()
  console.log(`\n--- ${name}`)
  const { status, error } = spawnSync(command, args, {
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', ORT_DISABLE_TELEMETRY: '1' },
  })
  if (error) console.error(`${command} did not start: ${error.message}. Run through the package manager: pnpm test`)
  failed = status !== 0
  console.log(`--- ${name}: ${failed ? 'FAILED' : 'ok'} in ${((performance.now() - start) / 1000).toFixed(1)} s`)
  if (failed) break
}

const counts = countTests()
if (counts) {
  console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped.length} skipped`)
  // Their titles say why.
  for (const title of counts.skipped) console.log(`  skipped: ${title}`)
}
process.exitCode = failed ? 1 : 0

/** From vitest's own report; absent when it did not get to run. */
function countTests() {
  let text
  try {
    text = readFileSync(results, 'utf8')
  } catch {
    return undefined
  }
  const report = JSON.parse(text)
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.testResults
      .flatMap((/** @type {any} */ file) => file.assertionResults)
      .filter((/** @type {any} */ test) => ['pending', 'skipped', 'todo'].includes(test.status))
      .map((/** @type {any} */ test) => test.fullName),
  }
}

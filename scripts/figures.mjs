// @ts-check
// `pnpm figures REPORT.json`: draws docs/figures/latency.svg and the tables of docs/benchmarks.md from a run of the bench.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const [START, END] = ['<!-- figures:start -->', '<!-- figures:end -->']
const docs = new URL('../docs/', import.meta.url)
const page = new URL('benchmarks.md', docs)

const [path] = process.argv.slice(2)
if (path === undefined) fail('Expected a report. First: pnpm bench --json REPORT.json, then: pnpm figures REPORT.json')

// Through a URL: the types of this script must not depend on whether there is a build.
const built = new URL('../packages/bench/dist/index.js', import.meta.url)
const bench = await import(built.href).catch((error) =>
  fail(`Cannot load the bench: ${error.message}. First: pnpm build`),
)
try {
  const report = bench.reportFromJson(readFileSync(path, 'utf8'))
  const figure = bench.figureFromReport(report)
  const text = readFileSync(page, 'utf8')
  const [start, end] = [text.indexOf(START), text.indexOf(END)]
  if (start < 0 || end < start) fail(`Expected ${START} and then ${END} in docs/benchmarks.md: put them back.`)
  mkdirSync(new URL('figures/', docs), { recursive: true })
  writeFileSync(new URL('figures/latency.svg', docs), figure)
  writeFileSync(page, `${text.slice(0, start)}${START}\n\n${bench.markdownFromReport(report)}\n\n${text.slice(end)}`)
  console.log('docs/figures/latency.svg and docs/benchmarks.md are up to date.')
} catch (error) {
  fail(error instanceof Error ? error.message : String(error))
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message)
  process.exit(2)
}

// @ts-check
// Checks the tables in abi/ against installed copies of NVIDIA's headers, or writes them anew from such copies.
//   node scripts/abi-tables.mjs --headers DIR [--headers DIR ...] --check
//   node scripts/abi-tables.mjs --headers DIR [--headers DIR ...] --write
// One DIR per release: the folder with NvInfer.h. `--write` wants every release that the tables shall speak for. Without a compiler
// (CXX, or g++) the check reads the headers as text alone, and says so.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { askCompiler, compilerDifferences, findCompiler } from './abi-compiler.mjs'
import { readRelease } from './abi-layout.mjs'
import { differences, tableOf, tableText } from './abi-table.mjs'

const { values } = parseArgs({
  options: { headers: { type: 'string', multiple: true }, check: { type: 'boolean' }, write: { type: 'boolean' } },
})
if (!values.headers || values.check === values.write) {
  console.error('Usage: abi-tables.mjs --headers DIR [--headers DIR ...] --check | --write')
  process.exit(2)
}

/** @param {number} major */
const pathOf = (major) => fileURLToPath(new URL(`../abi/trt${major}.json`, import.meta.url))
const releases = values.headers.map(readRelease)
const majors = [...new Set(releases.map(({ version }) => Number(version.split('.')[0])))].sort((a, b) => a - b)
const compiler = findCompiler()
if (!compiler) console.log('No compiler (CXX, or g++): the headers are read as text alone')
let failed = false
for (const major of majors) {
  const those = releases.filter(({ version }) => version.startsWith(`${major}.`))
  if (values.write) writeFileSync(pathOf(major), tableText(tableOf(those)))
  const table = JSON.parse(readFileSync(pathOf(major), 'utf8'))
  for (const release of those) {
    const found = differences(table, release)
    if (compiler) found.push(...compilerDifferences(table, release, askCompiler(release, compiler)))
    for (const line of found) console.error(line)
    failed ||= found.length > 0
    const skipped = release.missing.map((name) => `, without ${name}`).join('')
    if (found.length === 0) console.log(`${release.version}: as the table says${skipped}`)
  }
}
process.exit(failed ? 1 : 0)

// @ts-check
// Checks the tables in abi/ against installed copies of NVIDIA's headers, or writes them anew from such copies.
//   node scripts/abi-tables.mjs --headers DIR [--headers DIR ...] --check
//   node scripts/abi-tables.mjs --headers DIR [--headers DIR ...] --write
// One DIR per release: the folder with NvInfer.h. `--write` wants every release that the tables shall speak for. `--tables DIR` takes
// other tables than those in abi/. Without a compiler (CXX, or g++) the headers are read as text alone, and the script says so.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { askCompiler, compilerDifferences, findCompiler } from './abi-compiler.mjs'
import { readRelease } from './abi-layout.mjs'
import { differences, tableOf, tableText, versionNumber } from './abi-table.mjs'

const { values } = parseArgs({
  options: {
    headers: { type: 'string', multiple: true },
    tables: { type: 'string', default: fileURLToPath(new URL('../abi', import.meta.url)) },
    check: { type: 'boolean' },
    write: { type: 'boolean' },
  },
})
if (!values.headers || values.check === values.write) {
  console.error('Usage: abi-tables.mjs --headers DIR [--headers DIR ...] --check | --write')
  process.exit(2)
}

const compiler = findCompiler()
if (!compiler) console.log('No compiler (CXX, or g++): the headers are read as text alone')
const releases = values.headers.map(readRelease).sort((a, b) => versionNumber(a.version) - versionNumber(b.version))
const majors = new Set(releases.map(({ version }) => version.slice(0, version.indexOf('.'))))
let failed = false
for (const major of majors) {
  const those = releases.filter(({ version }) => version.startsWith(`${major}.`))
  const path = join(values.tables, `trt${major}.json`)
  if (values.write) writeFileSync(path, tableText(tableOf(those)))
  else if (!existsSync(path)) {
    console.error(`${those[0]?.version}: there is no table ${path}; --write makes it`)
    failed = true
    continue
  }
  const table = JSON.parse(readFileSync(path, 'utf8'))
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

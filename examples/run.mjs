// @ts-check
// `pnpm example NAME [ARGUMENTS]`: runs an example from the sources, without a build.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('./', import.meta.url))
const names = readdirSync(folder).filter((name) => /^\d\d-/.test(name))
const [wanted = '', ...args] = process.argv.slice(2)
const name = names.find((candidate) => wanted && candidate.startsWith(wanted))
if (!name) {
  console.error(
    `Usage: pnpm example NAME [ARGUMENTS], with NAME one of\n${names.map((each) => `  ${each}`).join('\n')}`,
  )
  process.exit(2)
}
// Resolved from here, since the example runs where the caller is: the paths in its arguments are relative to that.
const loader = import.meta.resolve('tsx')
const { status } = spawnSync(
  process.execPath,
  ['--conditions=@lowlat/source', '--import', loader, `${folder}${name}/index.ts`, ...args],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)

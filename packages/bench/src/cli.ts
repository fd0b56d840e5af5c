#!/usr/bin/env node
import { writeFile } from 'node:fs/promises'
import { ConfigError, isLowlatError, messageOf } from '@lowlat/core'
import { runBench } from './bench.ts'
import { type CommandLine, help, parseCommandLine } from './options.ts'
import { createProgress } from './progress.ts'
import { jsonFromReport } from './report.ts'
import { htmlFromReport } from './report-html.ts'
import { tableFromReport } from './table.ts'

const BAD_ARGUMENTS = 2
const FAILED = 1

async function main(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2))
  if (command.help) {
    process.stdout.write(help)
    return
  }
  await checkWritable(command)
  const progress = createProgress(process.stderr)
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.once(signal, () => {
      progress.stop()
      process.exit(128 + number)
    })
  }
  try {
    const report = await runBench(command.options, progress)
    progress.stop()
    process.stdout.write(`\n${tableFromReport(report)}`)
    if (command.json !== undefined) await writeFile(command.json, jsonFromReport(report))
    if (command.html !== undefined) await writeFile(command.html, htmlFromReport(report))
    if (report.failures.length > 0 || report.rows.length === 0) process.exitCode = FAILED
  } finally {
    progress.stop()
  }
}

/** Found out before minutes of measuring, not after. */
async function checkWritable({ json, html }: CommandLine): Promise<void> {
  for (const [flag, path] of Object.entries({ json, html })) {
    if (path === undefined) continue
    await writeFile(path, '', { flag: 'a' }).catch((cause: unknown) => {
      throw new ConfigError('CONFIG_INVALID', {
        message: `Expected --${flag} to be a file that can be written, got '${path}': ${messageOf(cause)}.`,
        remedy: 'Check the folder and its permissions.',
        received: path,
        cause,
      })
    })
  }
}

main().catch((error: unknown) => {
  // Errors with a remedy say all there is to know; a stack helps only where something unforeseen happened.
  process.stderr.write(
    `${isLowlatError(error) ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  )
  process.exitCode = isLowlatError(error, 'CONFIG_INVALID') ? BAD_ARGUMENTS : FAILED
})

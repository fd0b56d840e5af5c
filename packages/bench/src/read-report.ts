import { InputError, messageOf } from '@lowlat/core'
import type { Report, Row } from './report.ts'

type PlainRow = Omit<Row, 'samplesUs'> & { readonly samplesUs: readonly number[] }

/**
 * Reads what `bench --json` wrote. The rate of arrivals in the server scenario is not in the file.
 * @throws InputError INVALID_ARGUMENT for a text that is no report.
 */
export function reportFromJson(text: string): Report {
  const report = parse(text)
  const { environment, rows, unavailable, failures } = report
  if (typeof environment?.timestamp !== 'string' || !Array.isArray(rows) || !rows.every(isRow)) {
    throw notAReport(`an object with the keys ${Object.keys(report).join(', ') || '(none)'}`)
  }
  return {
    environment,
    rows: rows.map((row) => ({ ...row, samplesUs: Float64Array.from(row.samplesUs) })),
    unavailable: unavailable ?? [],
    failures: failures ?? [],
  }
}

type PlainReport = Partial<Omit<Report, 'rows'>> & { readonly rows?: unknown }

function parse(text: string): PlainReport {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw notAReport(`text that is not JSON (${messageOf(cause)})`, cause)
  }
  if (typeof value === 'object' && value !== null) return value
  throw notAReport(value === null ? 'null' : `a ${typeof value}`)
}

function isRow(value: unknown): value is PlainRow {
  const row = value as Partial<PlainRow> | null
  return (
    typeof row?.suite === 'string' &&
    typeof row.p50Us === 'number' &&
    typeof row.peer === 'boolean' &&
    Array.isArray(row.samplesUs)
  )
}

function notAReport(received: string, cause?: unknown): InputError {
  return new InputError('INVALID_ARGUMENT', {
    message: `Expected the JSON of a bench run with environment and rows, got ${received}.`,
    remedy: 'Write one with: bench --json FILE',
    received,
    cause,
  })
}

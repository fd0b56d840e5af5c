import type { ComparedValue, Comparison } from './compare-models.ts'

interface Column {
  readonly head: string
  readonly cell: (value: ComparedValue) => string
}

const columns: readonly Column[] = [
  { head: 'value', cell: ({ a }) => a },
  { head: 'operator', cell: ({ operator }) => operator },
  { head: 'SNR dB', cell: ({ snrDb }) => snrDb.toFixed(1) },
  { head: 'cosine', cell: ({ cosine }) => cosine.toFixed(5) },
  { head: 'max error', cell: ({ maxAbsError }) => maxAbsError.toPrecision(3) },
  { head: 'mean error', cell: ({ meanError }) => meanError.toPrecision(2) },
]

/** A comparison as plain text, one line per value; names to the left, numbers to the right. */
export function tableFromComparison({ values }: Comparison): string {
  const rows = [columns.map(({ head }) => head), ...values.map((value) => columns.map(({ cell }) => cell(value)))]
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]!.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, index) => (index < 2 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!))).join('  ')
  return rows.map(line).join('\n')
}

import { provenance } from './figure.ts'
import { highlightsOf } from './highlights.ts'
import { groupRows, type Report, suiteNames } from './report.ts'
import { columnsOf, labelOf, legend, titleOf } from './table.ts'

/** Environment, tables and highlights of a report as Markdown. */
export function markdownFromReport({ environment, rows, unavailable, failures }: Report): string {
  const [machine, versions] = provenance(environment)
  const parts = [`${text(machine)}<br>\n${text(versions)} · ${environment.secondsPerRow} s per row`]
  for (const suite of suiteNames) {
    const own = rows.filter((row) => row.suite === suite)
    if (own.length === 0) continue
    const columns = columnsOf(suite)
    parts.push(`### ${suite}`)
    for (const group of groupRows(own)) {
      const lines = group.map((row) => [labelOf(row), ...columns.map(({ cell }) => cell(row))])
      parts.push(
        `**${text(titleOf(group[0]!))}**`,
        [['', ...columns.map(({ head }) => head)], ['---', ...columns.map(() => '---:')], ...lines]
          .map(line)
          .join('\n'),
      )
    }
    const found = highlightsOf(own).map((h) => `- **${text(h.figure)}** ${text(h.claim)}: ${text(h.detail)}`)
    if (found.length > 0) parts.push(found.join('\n'))
  }
  parts.push(legend.map((each) => `<sub>${text(each)}</sub>`).join('<br>\n'))
  const missing = [
    ...unavailable.map((u) => `- ${u.backend} (${u.precision}) was not available: ${u.reason}`),
    ...failures.map((f) => `- ${f.suite}, ${f.subject} failed: ${f.reason}`),
  ]
  if (missing.length > 0) parts.push(missing.map(text).join('\n'))
  return parts.join('\n\n')
}

const line = (cells: readonly string[]) => `| ${cells.map(text).join(' | ')} |`

/** As text: names of models and messages may hold what Markdown takes for its own. */
const text = (value: string) => value.replace(/[\\|*_`<>[\]]/g, (character) => `\\${character}`).replace(/\s+/g, ' ')

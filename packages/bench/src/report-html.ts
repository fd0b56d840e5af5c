import { cdfChart, histogramChart, histogramRange, rangeStrip, type Series } from './charts.ts'
import type { Environment } from './environment.ts'
import { formatBytes, formatTime } from './format.ts'
import { highlightsOf } from './highlights.ts'
import { style } from './html-style.ts'
import { escapeHtml } from './html-text.ts'
import { groupRows, type MeasuredRow, type Report, type SuiteName, suiteNames } from './report.ts'
import { percentile } from './statistics.ts'
import { columnsOf, labelOf, legend, titleOf } from './table.ts'

const descriptions: Record<SuiteName, { readonly title: string; readonly text: string }> = {
  latency: { title: 'Latency', text: 'From the input to the result, through the whole pipeline.' },
  overhead: { title: 'Overhead', text: 'What a session adds to a run on tensors that are ready.' },
  preprocess: { title: 'Preprocessing', text: 'From JPEG bytes to a normalised tensor.' },
  coldstart: { title: 'Cold start', text: 'From loading the model to the first answer, in a new process each time.' },
  accuracy: { title: 'Accuracy', text: 'A classifier in float, half precision and INT8, on the same pictures.' },
  int8: { title: 'INT8', text: 'A model as it is given, and quantized: one thread, on tensors that are ready.' },
}

/** The report as one HTML file that refers to nothing outside itself. */
export function htmlFromReport(report: Report): string {
  const { environment, rows } = report
  const suites = suiteNames.filter((suite) => rows.some((row) => row.suite === suite))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lowlat bench, ${escapeHtml(environment.timestamp.slice(0, 10))}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>lowlat bench</h1>
<p class="lead">${escapeHtml(`${environment.cpu}, ${environment.cores} cores, Node ${environment.node}, ${environment.timestamp.slice(0, 16).replace('T', ' ')} UTC. Subjects took turns.`)}</p>
${highlightCards(rows)}
</header>
<main>
${suites
  .map((suite) =>
    suiteSection(
      suite,
      rows.filter((row) => row.suite === suite),
    ),
  )
  .join('\n')}
${notices(report)}
<section aria-labelledby="environment"><h2 id="environment">Environment</h2><div class="card" style="margin-top:14px">${definitions(environmentFacts(environment))}</div></section>
<section aria-labelledby="method"><h2 id="method">Method</h2><div class="card" style="margin-top:14px">${definitions(Object.entries(environment.method))}</div></section>
</main>
<footer>${legend.map(escapeHtml).join('<br>')}</footer>
</body>
</html>
`
}

function highlightCards(rows: readonly MeasuredRow[]): string {
  const cards = highlightsOf(rows).map(
    ({ figure, claim, detail }) =>
      `<li class="card"><div class="figure">${escapeHtml(figure)}</div><div class="claim">${escapeHtml(claim)}</div><div class="detail">${escapeHtml(detail)}</div></li>`,
  )
  return cards.length > 0 ? `<ul class="cards">${cards.join('')}</ul>` : ''
}

/** A row with the colour that it has in every chart of its group. */
interface Drawn extends Series {
  readonly row: MeasuredRow
}

function drawn(group: readonly MeasuredRow[]): Drawn[] {
  let own = 0
  return group.map((row) => ({
    row,
    label: labelOf(row),
    colour: row.peer ? 'var(--peer)' : `var(--c${own++ % 7})`,
    dashed: row.peer,
    sortedUs: row.samplesUs.slice().sort(),
  }))
}

function suiteSection(suite: SuiteName, rows: readonly MeasuredRow[]): string {
  const groups = groupRows(rows).map(drawn)
  const { title, text } = descriptions[suite]
  return `<section aria-labelledby="${suite}">
<h2 id="${suite}">${title}</h2>
<p class="lead">${text}</p>
${suiteTable(suite, groups)}
<div class="groups">${groups.map(groupFigures).join('\n')}</div>
</section>`
}

function suiteTable(suite: SuiteName, groups: readonly Drawn[][]): string {
  const columns = columnsOf(suite)
  const heads = columns.map(({ head }) => `<th scope="col">${head}</th>`).join('')
  const bodies = groups.map((group) => {
    const endUs = Math.max(...group.map(({ sortedUs }) => percentile(sortedUs, 0.99)))
    const lines = group.map((series) => {
      const cells = columns.map(
        ({ head, cell }) => `<td class="${cellClass(head, series.row)}">${escapeHtml(cell(series.row))}</td>`,
      )
      return `<tr><th scope="row">${dot(series)}${escapeHtml(series.label)}</th><td>${rangeStrip(series, endUs)}</td>${cells.join('')}</tr>`
    })
    return `<tbody><tr><th scope="rowgroup" colspan="${columns.length + 2}">${escapeHtml(titleOf(group[0]!.row))}</th></tr>${lines.join('')}</tbody>`
  })
  return `<div class="card scroll" tabindex="0" role="region" aria-label="${descriptions[suite].title}, table"><table>
<thead><tr><th scope="col">subject</th><th scope="col">p50 to p99</th>${heads}</tr></thead>
${bodies.join('\n')}
</table></div>`
}

function cellClass(head: string, { peer, ratioToPeer }: MeasuredRow): string {
  if (head === 'p50') return 'p50'
  if (!head.startsWith('vs ') || peer || ratioToPeer === null || Math.abs(ratioToPeer - 1) < 0.02) return ''
  return ratioToPeer > 1 ? 'faster' : 'slower'
}

function groupFigures(group: readonly Drawn[]): string {
  const title = titleOf(group[0]!.row)
  const range = histogramRange(group)
  const key = group.map((series) => `<span>${dot(series)}${escapeHtml(series.label)}</span>`)
  const histograms = group.map(
    (series) =>
      `<figure><figcaption>${dot(series)}${escapeHtml(series.label)}, ${series.sortedUs.length} samples</figcaption>${histogramChart(series, range)}</figure>`,
  )
  return `<div class="card group"><h3>${escapeHtml(title)}</h3><div class="key">${key.join('')}</div>
<figure><figcaption>share of requests that took at most so long</figcaption>${cdfChart(group, `Distribution of latencies, ${title}`)}</figure>
<div class="histograms">${histograms.join('\n')}</div></div>`
}

function dot({ colour, dashed }: Series): string {
  return `<span class="dot${dashed ? ' dashed' : ''}" style="--dot:${colour}"></span>`
}

function notices({ unavailable, failures }: Report): string {
  const lists = [
    {
      title: 'Not available here',
      items: unavailable.map(
        (u) =>
          `<b>${escapeHtml(`${u.backend} (${u.precision})`)}</b>: ${escapeHtml(u.reason)} <span class="soft">${escapeHtml(u.remedy)}</span>`,
      ),
    },
    {
      title: 'Failed',
      items: failures.map(
        (f) =>
          `<b>${escapeHtml(`${f.suite}, ${f.subject}`)}</b>, ${escapeHtml(`${f.model}, ${f.scenario}: ${f.reason}`)}`,
      ),
    },
  ]
  return lists
    .filter(({ items }) => items.length > 0)
    .map(
      ({ title, items }) =>
        `<section><h2>${title}</h2><div class="card notice"><ul style="margin-top:0">${items.map((item) => `<li>${item}</li>`).join('')}</ul></div></section>`,
    )
    .join('\n')
}

function environmentFacts(environment: Environment): [string, string][] {
  return [
    ['processor', `${environment.cpu}, ${environment.cores} cores`],
    ['instruction sets', environment.cpuFlags.join(', ') || 'not known'],
    ['memory', formatBytes(environment.memoryBytes)],
    ['system', environment.os],
    ['Node.js', environment.node],
    ['lowlat', `${environment.lowlat}${environment.revision ? `, revision ${environment.revision}` : ''}`],
    ['onnxruntime-node', environment.onnxruntime],
    ['sharp', environment.sharp],
    ['frequency governor', environment.governor ?? 'not known'],
    ['load before the run', String(environment.loadAverage)],
    ['reading the clock', formatTime(environment.timerCostUs)],
    ['time per row', `${environment.secondsPerRow} s; a fraction of it for short runs`],
  ]
}

function definitions(entries: readonly (readonly [string, string])[]): string {
  return `<dl>${entries.map(([term, text]) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(text)}</dd>`).join('')}</dl>`
}

// @ts-check
// `pnpm figures REPORT.json`: draws docs/figures/latency.svg and the table of docs/benchmarks.md from a bench run.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const [reportPath] = process.argv.slice(2)
if (!reportPath) {
  console.error('Usage: pnpm bench --json REPORT.json, then pnpm figures REPORT.json')
  process.exit(2)
}
const { environment, rows } = JSON.parse(readFileSync(reportPath, 'utf8'))

/**
 * @typedef {{ suite: string, subject: string, model: string, scenario: string, batch: number, p50Us: number, p99Us: number, throughput: number, eventLoopDelayP99Us: number, peakRssBytes: number, ratioToPeer: number | null }} Row
 * @typedef {{ title: string, detail: string, own: number, peer: number, format?: (value: number) => string }} Comparison
 */

const PEER = 'plain onnxruntime-node'

/**
 * The first row of lowlat for a measurement, and that of its peer.
 * @param {string} suite @param {string} scenario
 * @returns {{ own: Row, peer: Row }}
 */
function pair(suite, scenario) {
  /** @type {Row[]} */
  const found = rows.filter(
    (/** @type {Row} */ row) => row.suite === suite && row.scenario === scenario && row.batch === 1,
  )
  const peer = found.find((row) => row.subject.startsWith(PEER))
  const own = found.find((row) => row !== peer && row.model === peer?.model)
  if (own && peer) return { own, peer }
  throw new Error(
    `${reportPath} has no ${suite} rows for ${scenario}: run the default bench, without arguments but --json`,
  )
}

const single = pair('latency', 'single-stream')
const cold = pair('coldstart', 'load + first run')
const run = pair('overhead', 'single-stream')

/** @param {number} us */
const milliseconds = (us) => `${us >= 99_500 ? (us / 1000).toFixed(0) : (us / 1000).toPrecision(3)} ms`

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`

/** @type {Comparison[]} */
const comparisons = [
  {
    title: 'Event loop blocked while the model runs, p99',
    detail: 'how late timers, sockets and everything else get their turn',
    own: run.own.eventLoopDelayP99Us,
    peer: run.peer.eventLoopDelayP99Us,
  },
  {
    title: 'Start: load and first answer',
    detail: 'from the plan cache',
    own: cold.own.p50Us,
    peer: cold.peer.p50Us,
  },
  {
    title: 'Memory of the process, peak',
    detail: 'weights are mapped, not copied',
    own: run.own.peakRssBytes,
    peer: run.peer.peakRssBytes,
    format: megabytes,
  },
  {
    title: 'JPEG to classes, one at a time, p50',
    detail: 'decode, resize, normalise, infer, top five',
    own: single.own.p50Us,
    peer: single.peer.p50Us,
  },
  {
    title: 'A single run, p50',
    detail: 'the price of a free event loop',
    own: run.own.p50Us,
    peer: run.peer.p50Us,
  },
]

/** @param {string} text */
const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;')

const WIDTH = 860
const [LEFT, BAR, TOP, BLOCK] = [24, 640, 92, 88]
const where = `${environment.cpu}, ${environment.cores} cores, Node.js ${environment.node.slice(1)}, ONNX Runtime ${environment.onnxruntime}, ${environment.timestamp.slice(0, 10)}`

function figure() {
  const height = TOP + comparisons.length * BLOCK + 34
  const blocks = comparisons.map(({ title, detail, own, peer, format = milliseconds }, index) => {
    const y = TOP + index * BLOCK
    const scale = BAR / Math.max(own, peer)
    const bar = (/** @type {number} */ value, /** @type {string} */ kind, /** @type {number} */ at) =>
      `<rect class="${kind}" x="${LEFT}" y="${at}" width="${Math.max(2, value * scale).toFixed(1)}" height="18" rx="3"/>` +
      `<text class="value ${kind}-text" x="${(LEFT + Math.max(2, value * scale) + 8).toFixed(1)}" y="${at + 14}">${format(value)}</text>`
    return (
      `<text class="title" x="${LEFT}" y="${y}">${escaped(title)}<tspan class="detail" dx="10">${escaped(detail)}</tspan></text>` +
      bar(own, 'own', y + 9) +
      bar(peer, 'peer', y + 31)
    )
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Latency of ResNet-50: lowlat and ${PEER}">
<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .head { font-size: 17px; font-weight: 600 } .title { font-weight: 600 } .detail, .foot { fill: #59636e; font-weight: 400; font-size: 12px }
  .own { fill: #0b7a5e } .peer { fill: #b8bfc7 } .value { font-variant-numeric: tabular-nums } .own-text { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .detail, .foot { fill: #9198a1 } .own { fill: #3fb68b } .peer { fill: #56606b }
  }
</style>
<text class="head" x="${LEFT}" y="30">ResNet-50, float32, on the CPU: shorter is better</text>
<rect class="own" x="${LEFT}" y="44" width="12" height="12" rx="2"/><text x="${LEFT + 18}" y="55">lowlat</text>
<rect class="peer" x="${LEFT + 84}" y="44" width="12" height="12" rx="2"/><text x="${LEFT + 102}" y="55">${PEER}</text>
${blocks.join('\n')}
<text class="foot" x="${LEFT}" y="${height - 14}">${escaped(where)}. Generated weights: for the time, not for the answers.</text>
</svg>
`
}

function table() {
  const lines = rows.map((/** @type {Row} */ row) =>
    [
      row.suite,
      row.subject,
      row.model.replace(' (generated weights, latency only)', '*'),
      row.scenario,
      milliseconds(row.p50Us),
      milliseconds(row.p99Us),
      row.throughput >= 100 ? row.throughput.toFixed(0) : row.throughput.toPrecision(3),
      milliseconds(row.eventLoopDelayP99Us),
      row.ratioToPeer === null ? '' : row.ratioToPeer.toFixed(2),
    ].join(' | '),
  )
  return `![The figure](figures/latency.svg)

${where}; ${environment.secondsPerRow} s per row; revision ${environment.revision}.

| suite | subject | model | scenario | p50 | p99 | per s | loop p99 | times as fast |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |
${lines.map((/** @type {string} */ line) => `| ${line} |`).join('\n')}

\\* generated weights: for latency only.`
}

const docs = new URL('../docs/', import.meta.url)
mkdirSync(new URL('figures/', docs), { recursive: true })
writeFileSync(new URL('figures/latency.svg', docs), figure())
const page = new URL('benchmarks.md', docs)
const [start, end] = ['<!-- figures:start -->', '<!-- figures:end -->']
const text = readFileSync(page, 'utf8')
if (!text.includes(start) || !text.includes(end))
  throw new Error(`${page.pathname} has lost its marks ${start} and ${end}`)
writeFileSync(
  page,
  `${text.slice(0, text.indexOf(start) + start.length)}\n${table()}\n${text.slice(text.indexOf(end))}`,
)
console.log('docs/figures/latency.svg and docs/benchmarks.md are up to date')

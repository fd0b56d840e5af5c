import { scaleLinear } from 'd3-scale'
import { type Comparison, comparisonsOf, type Quantity } from './comparisons.ts'
import type { Environment } from './environment.ts'
import { escapeHtml } from './html-text.ts'
import type { Report } from './report.ts'

const WIDTH = 880
const MARGIN = 28
const GAP = 40
const COLUMN = (WIDTH - 2 * MARGIN - GAP) / 2
/** Room beside the longest bar for its label. */
const LABEL = 148
const TOP = 112
const BLOCK = 116
const BAR = 18
/** Relative difference that is shown without a judgement. */
const EVEN = 0.02

/**
 * The look on GitHub's light and dark pages. The figure brings its own background: a page's theme need not be the
 * system's, which is what an embedded picture is told.
 */
const style = `
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif; font-size: 12.5px; fill: #1f2328 }
.card { fill: #ffffff; stroke: #d1d9e0 }
.head { font-size: 19px; font-weight: 650 }
.title { font-size: 14px; font-weight: 650 }
.soft { fill: #59636e; font-size: 12px }
.num { font-variant-numeric: tabular-nums }
.strong { font-weight: 650 }
.verdict { font-weight: 650; font-size: 13px }
.better { fill: #0a6b4f } .worse { fill: #a8420c } .even { fill: #59636e }
.own { fill: #0f8a66 } .own-line { stroke: #0f8a66 }
.peer { fill: #aab4bf } .peer-line { stroke: #aab4bf }
.rule { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .card { fill: #0d1117; stroke: #3d444d }
  .soft, .even { fill: #9198a1 }
  .better { fill: #4ccf9f } .worse { fill: #f0925a }
  .own { fill: #35b88a } .own-line { stroke: #35b88a }
  .peer { fill: #626d79 } .peer-line { stroke: #626d79 }
  .rule { stroke: #3d444d }
}`

/**
 * Six comparisons with the peer as one SVG that refers to nothing outside itself and names where it was measured.
 * @throws InputError INVALID_ARGUMENT when the report is not one of the default bench.
 */
export function figureFromReport({ rows, environment }: Report): string {
  const comparisons = comparisonsOf(rows)
  const lines = Math.ceil(comparisons.length / 2)
  const bottom = TOP + lines * BLOCK
  const height = bottom + 62
  const blocks = comparisons.map((comparison, index) =>
    block(comparison, MARGIN + (index % 2) * (COLUMN + GAP), TOP + Math.floor(index / 2) * BLOCK),
  )
  const [machine, versions] = provenance(environment)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="t d">
<title id="t">ResNet-50 on the CPU: lowlat and plain onnxruntime-node</title>
<desc id="d">${escapeHtml(comparisons.map(inWords).join(' '))}</desc>
<style>${style}
</style>
<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="12"/>
<text class="head" x="${MARGIN}" y="42">ResNet-50 on the CPU, float32, one image per request</text>
${key(MARGIN, 68)}
${blocks.join('\n')}
<line class="rule" x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${bottom - 2}" y2="${bottom - 2}"/>
<text class="soft" x="${MARGIN}" y="${bottom + 22}">${escapeHtml(machine)}</text>
<text class="soft" x="${MARGIN}" y="${bottom + 42}">${escapeHtml(versions)}</text>
</svg>
`
}

function key(x: number, y: number): string {
  const swatch = (kind: string, at: number) =>
    `<rect class="${kind}" x="${at}" y="${y - 10}" width="12" height="12" rx="2.5"/>`
  return `${swatch('own', x)}<text class="strong" x="${x + 19}" y="${y}">lowlat</text>
${swatch('peer', x + 78)}<text x="${x + 97}" y="${y}">plain onnxruntime-node</text>
<text class="soft" x="${WIDTH - MARGIN}" y="${y}" text-anchor="end">shorter is better · bar: median · line: to the 99th percentile</text>`
}

function block({ title, detail, own, peer, verdict }: Comparison, x: number, y: number): string {
  const reach = ({ value, tail }: Quantity) => Math.max(value, tail?.value ?? 0)
  const scale = scaleLinear([0, Math.max(reach(own), reach(peer))], [0, COLUMN - LABEL])
  const ratio = peer.value / own.value
  const tone = Math.abs(ratio - 1) < EVEN ? 'even' : ratio > 1 ? 'better' : 'worse'
  return `<text class="title" x="${x}" y="${y}">${escapeHtml(title)}</text><text class="verdict ${tone}" x="${x + COLUMN}" y="${y}" text-anchor="end">${escapeHtml(verdict)}</text>
<text class="soft" x="${x}" y="${y + 18}">${escapeHtml(detail)}</text>
${bar('own', own, scale, x, y + 29)}
${bar('peer', peer, scale, x, y + 29 + BAR + 6)}`
}

function bar(
  kind: 'own' | 'peer',
  { value, text, tail }: Quantity,
  scale: (value: number) => number,
  x: number,
  y: number,
) {
  const round = (at: number) => Math.round(at * 10) / 10
  const width = round(Math.max(2, scale(value)))
  const end = tail ? Math.max(width, round(scale(tail.value))) : width
  const middle = y + BAR / 2
  const line =
    end > width
      ? `<path class="${kind}-line" d="M${round(x + width)} ${middle}H${round(x + end)}M${round(x + end)} ${middle - 5}v10" stroke-width="2" fill="none"/>`
      : ''
  const label = `<tspan class="strong">${escapeHtml(text)}</tspan>${tail ? `<tspan class="soft" dx="7">${escapeHtml(tail.text)}</tspan>` : ''}`
  return `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${BAR}" rx="3"/>${line}<text class="num" x="${round(x + end + 8)}" y="${y + 13.5}">${label}</text>`
}

function inWords({ title, own, peer, verdict }: Comparison): string {
  const of = ({ text, tail }: Quantity) => (tail ? `${text} (${tail.text})` : text)
  return `${title}: lowlat ${of(own)}, plain onnxruntime-node ${of(peer)}, ${verdict}.`
}

/** Two lines that say where the figures come from. */
export function provenance(environment: Environment): readonly [string, string] {
  const { cpu, cores, node, onnxruntime, sharp, lowlat, revision, timestamp, loadAverage } = environment
  // Without the release of the kernel, which says little and is long.
  const system = environment.os.replace(/ .* /, ' ')
  return [
    `${cpu}, ${cores} cores, ${system}, load ${loadAverage} before the run. Generated weights: for the time, not for the answers.`,
    `${timestamp.slice(0, 10)} · Node.js ${node.replace(/^v/, '')} · onnxruntime-node ${onnxruntime} · sharp ${sharp} · lowlat ${lowlat}${revision ? ` (${revision})` : ''}`,
  ]
}

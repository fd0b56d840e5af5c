/** The look of the HTML report: light and dark, and fit for print. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #14181f; --soft: #5a6472; --line: #e1e5ea; --grid: #eceff3;
  --c0: #1261d6; --c1: #0a8f72; --c2: #8a3ffc; --c3: #b3246f; --c4: #5c6b00; --c5: #006d8f; --c6: #7a4a21; --peer: #c2570c; --good: #0a7a52; --bad: #b3261e;
  --shade: 0 1px 2px rgb(20 24 31 / .05), 0 6px 24px rgb(20 24 31 / .06);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1016; --card: #161b23; --ink: #e8ecf2; --soft: #98a4b3; --line: #2a323d; --grid: #212833;
    --c0: #6ea8ff; --c1: #3ccfa8; --c2: #b794ff; --c3: #ff7eb6; --c4: #c3d44a; --c5: #5fd0f0; --c6: #d9a679; --peer: #f2994a; --good: #4cd19a; --bad: #ff8a80;
    --shade: none;
  }
}
* { box-sizing: border-box }
body {
  margin: 0; background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif;
}
main, header, footer { max-width: 1180px; margin: 0 auto; padding: 0 24px }
header { padding-top: 44px; padding-bottom: 4px }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 6px }
h2 { font-size: 21px; letter-spacing: -.01em; margin: 48px 0 4px }
h3 { font-size: 15px; margin: 0 0 2px; overflow-wrap: anywhere }
p { margin: 0 }
.soft { color: var(--soft) }
.lead { color: var(--soft); max-width: 76ch }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(246px, 1fr)); gap: 14px; margin: 26px 0 0; padding: 0; list-style: none }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 18px 20px; box-shadow: var(--shade) }
.cards .figure { font-size: 32px; line-height: 1.1; font-weight: 680; letter-spacing: -.025em; font-variant-numeric: tabular-nums; color: var(--c0) }
.cards .claim { margin-top: 8px; font-weight: 560; line-height: 1.35; overflow-wrap: anywhere }
.cards .detail { margin-top: 4px; font-size: 13px; line-height: 1.4; color: var(--soft) }
.scroll { overflow-x: auto; margin-top: 14px; padding: 6px 0 }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums }
caption { text-align: left; padding: 0 20px 6px; color: var(--soft); font-size: 13px }
th, td { padding: 7px 9px; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 20px }
th:last-child, td:last-child { padding-right: 20px }
thead th { color: var(--soft); font-weight: 560; font-size: 12.5px; border-bottom: 1px solid var(--line) }
tbody th[scope=rowgroup] { padding-top: 16px; font-weight: 620; white-space: normal; overflow-wrap: anywhere }
tbody th[scope=row] { font-weight: 500 }
tbody + tbody tr:first-child th { border-top: 1px solid var(--line) }
td.p50 { font-weight: 680 }
.faster { color: var(--good); font-weight: 620 }
.slower { color: var(--bad); font-weight: 620 }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 8px; background: var(--dot) }
.dot.dashed { background: none; border: 2.5px solid var(--dot) }
.strip { width: 120px; height: 16px; display: block; margin-left: auto }
.groups { display: grid; gap: 14px; margin-top: 14px }
.group { display: grid; grid-template-columns: minmax(0, 1.55fr) minmax(0, 1fr); gap: 4px 28px }
.group > h3, .group > .key { grid-column: 1 / -1 }
.key { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; color: var(--soft); margin-bottom: 6px }
figure { margin: 0; min-width: 0 }
figcaption { font-size: 12.5px; color: var(--soft); margin-bottom: 2px }
.histograms { display: grid; gap: 10px; align-content: start }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { fill: var(--soft); font: 11.5px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; font-variant-numeric: tabular-nums }
.histograms svg text { font-size: 10.5px }
.grid { stroke: var(--grid); stroke-width: 1 }
.base { stroke: var(--line); stroke-width: 1 }
.mark { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 3; opacity: .7 }
.curve { fill: none; stroke-width: 2.2; stroke-linejoin: round }
.notice { margin-top: 14px; font-size: 14px }
.notice ul { margin: 8px 0 0; padding-left: 20px }
.notice li { margin: 4px 0; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: minmax(140px, max-content) 1fr; gap: 6px 22px; margin: 0; font-size: 14px }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
footer { padding-top: 28px; padding-bottom: 48px; font-size: 13px; color: var(--soft) }
@media (max-width: 820px) { .group { grid-template-columns: minmax(0, 1fr) } main, header, footer { padding-left: 14px; padding-right: 14px } }
@media print { body { background: none } .card { box-shadow: none; break-inside: avoid } }
`

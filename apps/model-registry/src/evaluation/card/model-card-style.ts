/** The card's looks: one column on a phone, plots side by side on a screen, black on white in print. */
export const modelCardStyle = `
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #fff; --ink: #1c1f23; --soft: #5c6570; --rule: #e2e5e9;
  --c1: #2a6fc9; --c2: #c2571a; --warn: #fdf3e3; --warn-ink: #7a4a06; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1c2026; --ink: #e8eaed; --soft: #9aa4b0;
  --rule: #323841; --c1: #6aa9f4; --c2: #f0935a; --warn: #33270f; --warn-ink: #f0cf94; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; text-wrap: balance; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
p, ul { margin: .25rem 0 .75rem; max-width: 46rem; }
ul { padding-left: 1.2rem; }
.soft, small { color: var(--soft); }
code { font-size: .85em; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 11rem), 1fr)); gap: .75rem; margin-top: 1.25rem; }
.tile, figure, .table, .unstated { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; }
.tile { padding: .75rem 1rem; }
.tile b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tile span { color: var(--soft); font-size: .85rem; }
.unstated { background: var(--warn); border-color: transparent; color: var(--warn-ink); padding: .75rem 1rem; margin-top: 1.25rem; }
.unstated h2 { margin: 0 0 .25rem; font-size: 1rem; }
.unstated ul { margin-bottom: 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: .75rem; }
figure { margin: 0; padding: .75rem; break-inside: avoid; }
figcaption { font-weight: 600; font-size: .95rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; font-size: .85rem; color: var(--soft); }
.key { display: inline-block; width: .75rem; height: .75rem; border-radius: .2rem; margin-right: .4rem; background: currentColor; }
svg { display: block; width: 100%; height: auto; margin-top: .25rem; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--rule); }
svg .mark { stroke: var(--soft); stroke-dasharray: 3 3; }
svg text.mark { stroke: none; }
.c1 { color: var(--c1); }
.c2 { color: var(--c2); }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
.area { fill: currentColor; fill-opacity: .28; stroke: currentColor; stroke-width: 1.5; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .9rem; text-align: right; border-bottom: 1px solid var(--rule); }
tr:last-child > * { border-bottom: 0; }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 6rem; }
.table + .table, .table + .plots { margin-top: .75rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.meter { display: block; height: .5rem; min-width: 6rem; border-radius: .25rem; background: var(--rule); }
.meter i { display: block; height: 100%; border-radius: inherit; background: var(--c1); }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } th, td { padding: .4rem .6rem; } .meter { min-width: 3rem; } }
@media print { :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #bbb; --c1: #1d5cad; --c2: #a84812;
  --warn: #fff; --warn-ink: #000; } body { font-size: 11px; } .unstated { border-color: #000; } .tile, tr { break-inside: avoid; }
  h2 { break-after: avoid; } main { padding: 0; max-width: none; } .plots { grid-template-columns: 1fr 1fr; } .area { print-color-adjust: exact; } }
`;

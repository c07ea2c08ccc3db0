import { html, type Markup } from './markup.js';

export function section(title: string, content: Markup): Markup {
  return html`<section>
    <h2>${title}</h2>
    ${content}
  </section>`;
}

export function tile(figure: string, meaning: string): Markup {
  return html`<div class="tile"><b>${figure}</b><span>${meaning}</span></div>`;
}

/** Its first column is to the left, the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number | Markup)[])[]): Markup {
  return html`<div class="table">
    <table>
      <thead>
        <tr>
          ${head.map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            html`<tr>
              ${cells.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** A bar. @param share 0 to 1 */
export function meter(share: number): Markup {
  return html`<span class="meter"><i style="width: ${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%"></i></span>`;
}

/** @param share 0 to 1 */
export function percent(share: number, digits = 2): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** A false-match rate as people say it: "1 in 10,000". */
export function oneIn(rate: number): string {
  return `1 in ${Math.round(1 / rate).toLocaleString('en')}`;
}

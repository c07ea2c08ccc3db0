/** Text that is markup already. */
export interface Markup {
  readonly markup: string;
}

type Part = string | number | Markup | undefined | readonly Part[];

/** Markup of a template: values in it are escaped unless they are markup themselves. Lists are put together. */
export function html(literals: TemplateStringsArray, ...values: readonly Part[]): Markup {
  return { markup: literals.reduce((text, literal, at) => text + written(values[at - 1]) + literal) };
}

function written(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part));
  return 'markup' in part ? part.markup : part.map(written).join('');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** What can be stored of a word that a box says: its first 100 printable ASCII characters. PostgreSQL stores no U+0000. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '').slice(0, 100);
}

/** A value as a shell takes it for one word. An ellipsis stands for what is not filled in yet. */
export function quoted(value: string): string {
  return /^[\w.,:/@%+…-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

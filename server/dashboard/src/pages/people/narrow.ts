// Whether a row is among those that a reader looks for.

/** Whether each word that was typed stands in one of the texts, in any case. */
export function holds(texts: (string | null | undefined)[], typed: string): boolean {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const all = texts.filter((text) => text !== null && text !== undefined).map((text) => text.toLowerCase());
  return words.every((word) => all.some((text) => text.includes(word)));
}

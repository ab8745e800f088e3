/** The word that was probably meant: at most two letters are wrong, and fewer than half. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known.map((k) => ({ k, wrong: distance(word, k) })).sort((a, b) => a.wrong - b.wrong);
  return best && best.wrong <= 2 && best.wrong * 2 < Math.max(word.length, 3) ? best.k : undefined;
}

/** `: did you mean posts?`, to be put behind what is said of a name that nobody knows; nothing where none is near. */
export function orMeant(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  return meant === undefined ? '' : `: did you mean ${meant}?`;
}

/** Letters to add, take out or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(Number(row[j]) + 1, Number(next[j - 1]) + 1, Number(row[j - 1]) + Number(a[i - 1] !== b[j - 1])),
      );
    row = next;
  }
  return Number(row[b.length]);
}

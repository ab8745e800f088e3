/** Groups that are worked on at once. */
const AT_ONCE = 2;

/**
 * Lets what arrives while the same work runs share one transaction. `work` takes at most `most` items and gives a
 * result for each, in their order. The returned function takes one item and gives its own result.
 *
 * Alone an item waits for nobody. Where `work` rejects for several, each is done once more by itself: one that cannot be
 * done must not make the others fail.
 */
export function together<T, R>(most: number, work: (items: readonly T[]) => Promise<R[]>): (item: T) => Promise<R> {
  type Waiting = { item: T; resolve: (result: R) => void; reject: (error: unknown) => void };
  const waiting: Waiting[] = [];
  let running = 0;

  const alone = async ({ item, resolve, reject }: Waiting) => {
    try {
      resolve((await work([item]))[0] as R);
    } catch (error) {
      reject(error);
    }
  };
  const all = async (group: readonly Waiting[]) => {
    try {
      const results = await work(group.map(({ item }) => item));
      for (const [n, { resolve }] of group.entries()) resolve(results[n] as R);
    } catch {
      for (const one of group) await alone(one);
    }
  };
  const next = async () => {
    if (running >= AT_ONCE) return;
    running += 1;
    while (waiting.length > 0) {
      const group = waiting.splice(0, most);
      await (group.length === 1 ? alone(group[0] as Waiting) : all(group));
    }
    running -= 1;
  };

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      void next();
    });
}

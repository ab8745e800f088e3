import { describe, expect, it } from 'vitest';
import { together } from '../../src/http/server/together.ts';

/** Work that waits until it is let go; `groups` is what it was given. */
function gated(refuse: (items: readonly number[]) => boolean = () => false) {
  const groups: (readonly number[])[] = [];
  const gates: (() => void)[] = [];
  const work = async (items: readonly number[]) => {
    groups.push(items);
    await new Promise<void>((go) => gates.push(go));
    if (refuse(items)) throw new Error(`refused ${items}`);
    return items.map((n) => n * 10);
  };
  const settle = async (done: Promise<unknown>) => {
    const go = setInterval(() => {
      for (const open of gates.splice(0)) open();
    });
    return done.finally(() => clearInterval(go));
  };
  return { groups, work, settle };
}

describe('together', () => {
  it('begins alone at once, and gathers what comes meanwhile', async () => {
    const { groups, work, settle } = gated();
    const take = together(3, work);
    const all = Promise.all([1, 2, 3, 4, 5, 6, 7].map(take));
    expect(await settle(all)).toEqual([10, 20, 30, 40, 50, 60, 70]);
    expect(groups).toEqual([[1], [2], [3, 4, 5], [6, 7]]);
  });

  it('does each of a group by itself when the group fails, so that one fails alone', async () => {
    const { groups, work, settle } = gated((items) => items.includes(4));
    const take = together(10, work);
    const all = Promise.allSettled([1, 2, 3, 4, 5].map(take));
    const ended = (await settle(all)) as PromiseSettledResult<number>[];
    expect(ended.map((e) => (e.status === 'fulfilled' ? e.value : String(e.reason)))).toEqual([
      10,
      20,
      30,
      'Error: refused 4',
      50,
    ]);
    expect(groups).toEqual([[1], [2], [3, 4, 5], [3], [4], [5]]);
  });

  it('goes on after a failure', async () => {
    const { work, settle } = gated((items) => items[0] === 1);
    const take = together(10, work);
    await expect(settle(take(1))).rejects.toThrow('refused 1');
    expect(await settle(take(2))).toBe(20);
  });
});

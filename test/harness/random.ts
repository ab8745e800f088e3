/** Draws from a seed: the same seed gives the same draws, on every machine. */
export type Random = {
  /** A whole number from `least` to `most`, both included. */
  integer: (least: number, most: number) => number;
  /** One of these, each as likely. */
  pick: <T>(from: readonly T[]) => T;
  /** True so often. */
  chance: (share: number) => boolean;
  /** A generator of its own: what one part draws does not shift what another one gets. */
  fork: () => Random;
};

/** mulberry32 by Tommy Ettinger (public domain, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c). */
function mulberry32(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A generator for one seed. */
export function randomFrom(seed: number): Random {
  const next = mulberry32(seed);
  const integer = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    integer,
    pick: (from) => {
      if (from.length === 0) throw new Error('nothing to pick from');
      return from[integer(0, from.length - 1)] as (typeof from)[number];
    },
    chance: (share) => next() < share,
    fork: () => randomFrom(integer(0, 2 ** 32 - 1)),
  };
}

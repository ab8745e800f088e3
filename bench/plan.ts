import type { Population } from '../dev/reader.ts';
import { background } from './database.ts';

export type Plan = {
  /** Posts of each victim, smallest first. */
  sizes: number[];
  repeats: number;
  /** Posts of the 200 bystanders together. */
  bystanders: number;
  /** Accounts of 2,000 posts that are due at once. */
  crowd: number;
  large: boolean;
  /** Calls to partners: not measured, measured too, or nothing else. */
  partners: 'not' | 'too' | 'only';
  idleSeconds: number;
};

export type Options = {
  quick: boolean;
  large: boolean;
  partners?: boolean;
  posts?: number;
  bystanders?: number;
  repeats?: number;
};

/** What a run measures. `posts` and `bystanders` make it as small as a test wants it. */
export function planOf({ quick, large, partners = false, posts, bystanders, repeats }: Options): Plan {
  const sizes = posts !== undefined ? [posts] : quick ? [100_000] : [10_000, 100_000, 1_000_000];
  return {
    sizes,
    repeats: repeats ?? (quick ? 2 : 3),
    bystanders: bystanders ?? 3_000_000,
    crowd: posts !== undefined ? 20 : quick ? 200 : 2_000,
    large,
    partners: partners ? 'only' : quick || posts !== undefined ? 'not' : 'too',
    idleSeconds: quick || posts !== undefined ? 4 : 10,
  };
}

export const LARGE = 10_000_000;
export const victim = (posts: number) => `victim-${posts}`;
const ACCOUNTS = 200;
const TINY = { accounts: 420, posts: 500 };
const SMALL = { accounts: 16, posts: 2_000 };

const several = (
  prefix: string,
  { accounts, posts }: { accounts: number; posts: number },
  feeds: number,
): Population[] => Array.from({ length: accounts }, (_, i) => ({ email: `${prefix}-${i}@example.com`, posts, feeds }));

/** The accounts of the main template: bystanders, a victim of each size, and small ones. */
export const mainAccounts = (plan: Plan): Population[] => [
  ...background(ACCOUNTS, plan.bystanders),
  ...plan.sizes.map((posts) => ({ email: `${victim(posts)}@example.com`, posts, feeds: 300 })),
  ...several('tiny', TINY, 12),
  ...several('small', SMALL, 12),
];

/** Accounts of nobody, and small ones. */
export const partnersAccounts = (): Population[] => [
  ...background(ACCOUNTS, 20_000),
  ...several('tiny', { ...TINY, posts: 20 }, 2),
];

export const largeAccounts = (plan: Plan): Population[] => [
  ...background(ACCOUNTS, plan.bystanders),
  { email: `${victim(LARGE)}@example.com`, posts: LARGE, feeds: 300 },
  ...several('small', SMALL, 12),
];

export const crowdAccounts = (plan: Plan): Population[] => [
  ...background(ACCOUNTS, plan.bystanders),
  ...several('crowd', { accounts: plan.crowd, posts: 2_000 }, 12),
];

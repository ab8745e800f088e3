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
  /** Names of what is measured beside the contenders. */
  parts: readonly string[];
  /** No contenders: the parts alone. */
  partsAlone: boolean;
  idleSeconds: number;
};

export type Options = {
  quick: boolean;
  large: boolean;
  partners?: boolean;
  watching?: boolean;
  parts?: readonly string[];
  posts?: number;
  bystanders?: number;
  repeats?: number;
};

/** Parts of a run by themselves, in their order: of Lethe alone, of what asks partners, and of what watches it. */
export const EXTRA_PARTS = ['immediate', 'status', 'idle', 'beside', 'crowd'] as const;
export const PARTNER_PARTS = ['calls', 'hanging', 'recovery', 'publishing', 'replay', 'three'] as const;
export const WATCHING_PARTS = ['dataset', 'canary', 'scrapes', 'sabotage'] as const;
export const PARTS: readonly string[] = [...EXTRA_PARTS, ...PARTNER_PARTS, ...WATCHING_PARTS];

/** The parts that are asked for by name or by kind; null: nobody has asked for some alone. */
function partsAlone({ partners, watching, parts }: Options): readonly string[] | null {
  if (parts) return parts;
  if (watching) return WATCHING_PARTS;
  return partners ? PARTNER_PARTS : null;
}

/** What a run measures. `posts` and `bystanders` make it as small as a test wants it. */
export function planOf(options: Options): Plan {
  const { quick, large, posts, bystanders, repeats } = options;
  const alone = partsAlone(options);
  const sizes = posts !== undefined ? [posts] : quick ? [100_000] : [10_000, 100_000, 1_000_000];
  return {
    sizes,
    repeats: repeats ?? (quick ? 2 : 3),
    bystanders: bystanders ?? 3_000_000,
    crowd: posts !== undefined ? 20 : quick ? 200 : 2_000,
    large,
    parts: alone ?? (quick || posts !== undefined ? EXTRA_PARTS : PARTS),
    partsAlone: alone !== null,
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

/** True where the main template is needed: for contenders, and for the parts that start from it. */
export const needsBase = ({ parts, partsAlone }: Plan): boolean =>
  !partsAlone || EXTRA_PARTS.some((name) => name !== 'crowd' && parts.includes(name));

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

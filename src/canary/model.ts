import type { DeclaredCanary } from '../catalog/live/declared.ts';
import type { Context } from '../erasure/model/context.ts';
import type { AskedLocation, Sender } from '../locations/asked.ts';
import type { Database } from '../store/client.ts';
import type { canary } from '../store/schema.ts';

/** What is wrong with test data: where, and in words that hold no value of the application's data. */
export type Finding = { readonly location: string; readonly words: string };

/** Where a finding is about no location: the names cannot be taken for one of a usual table. */
export const PLANTING = '(planting)';
export const REQUEST = '(request)';

/** Rows and items that were planted, by location. A partner that has none cannot be planted. */
export type Planted = Readonly<Record<string, number>>;

/** A row of `lethe.canary`. Times since then in milliseconds of the database's clock; null: not yet. */
export type Cycle = Omit<typeof canary.$inferSelect, 'findings' | 'planted'> & {
  readonly findings: readonly Finding[] | null;
  readonly planted: Planted | null;
  readonly ageMs: number;
  readonly askedMs: number | null;
  /** Until its next step; null: it is over. */
  readonly dueMs: number | null;
};

/** What came of asking for an erasure. `later`: nothing is known. `words` hold no value of the answer. */
export type Asked =
  | { readonly kind: 'accepted'; readonly erasureId: string }
  | { readonly kind: 'refused'; readonly words: string }
  | { readonly kind: 'later'; readonly words: string; readonly afterMs?: number };

/** Which request of a cycle it is. `turn`: 0, and one more after each erasure that was undone. */
export type Turn = { readonly cycle: string; readonly turn: number };

/** Asks for the erasure of the account with this key. Asking again in the same turn is asking once. */
export type Ask = (accountKey: string, turn: Turn, signal: AbortSignal) => Promise<Asked>;

/** What a cycle is moved with. */
export type CanaryWork = {
  readonly ctx: Context;
  readonly declared: DeclaredCanary;
  /** Where the statements of `plant` run: the same database, maybe with another role. */
  readonly planter: Database;
  readonly senderOf: (location: AskedLocation) => Sender;
  readonly ask: Ask;
  readonly signal: AbortSignal;
};

/** A text that no other account has: 39 characters. */
export const markerOf = ({ id }: Pick<Cycle, 'id'>): string => `canary-${id.replaceAll('-', '')}`;

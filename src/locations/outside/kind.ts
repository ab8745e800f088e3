import { z } from 'zod';
import { type DeclaredLocation, entriesOf } from '../../catalog/live/declared.ts';
import { sanitize } from '../../store/sql-errors.ts';
import type { AskedLocation, Outside } from '../asked.ts';
import type { Kind, KindName, Refused } from '../kind.ts';
import { askToDelete } from './carrier.ts';
import { type DeclaredPacing, type DeclaredPartner, partnerShape } from './declare.ts';
import { type AccountFacts, resolvePartners } from './resolve.ts';

/** What one kind of partner has of its own. `A`: its part of an entry, as it was parsed. */
export type PartnerKind<A extends DeclaredPacing> = {
  readonly name: KindName;
  /** The key of its part in an entry. */
  readonly entry: string;
  /** Its part. It has the keys of `pacingShape` among its own. */
  readonly asks: z.ZodType<A>;
  /** What an outcome other than delete would be, in the words of its refusal. */
  readonly refused: string;
  /** True where what it deletes is found by the account's key alone. */
  byKeyAlone(asks: A, entry: DeclaredPartner, account: AccountFacts): boolean;
  /** What is wrong with an entry, beside its shape; each in words without the partner's name. */
  check?(asks: A, entry: DeclaredPartner, account: AccountFacts): string[];
  readonly outside: Outside<AskedLocation<A>>;
};

/** Makes a kind of location whose data is in another system that is asked for it. */
export function partnerKind<A extends DeclaredPacing>(of: PartnerKind<A>): Kind<AskedLocation<A>> {
  const asksOf = (entry: DeclaredLocation) => (entry as unknown as Record<string, A>)[of.entry] as A;
  const refused: Refused = { refused: of.refused };
  return {
    entry: of.entry,
    declare: declareWith(of),
    // Its name is what it is: where it is asked may change while erasures are under way.
    placeOf: (entry) => (entry as DeclaredPartner).partner,
    resolve: (db, declared) =>
      resolvePartners(db, declared, {
        kind: of.name,
        entries: entriesOf<DeclaredPartner>(declared, of.entry),
        asksOf,
        byKeyAlone: (entry, account) => of.byKeyAlone(asksOf(entry), entry, account),
        check: (entry, account) => of.check?.(asksOf(entry), entry, account) ?? [],
      }),
    outcomes: { delete: askToDelete, set: refused, keep: refused, refuse: refused },
    inside: null,
    outside: of.outside as Outside,
    look: async () => {},
    findInTheWay: async () => [],
    causeOf: async (_ctx, error) => sanitize(error),
  } as Kind<AskedLocation<A>>;
}

const declareWith = <A extends DeclaredPacing>({ entry, asks }: PartnerKind<A>) =>
  z.strictObject({ ...partnerShape, [entry]: asks.describe(`How it is asked, by the kind ${entry}.`) });

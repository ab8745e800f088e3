import { z } from 'zod';
import { type DeclaredLocation, entriesOf } from '../../src/catalog/live/declared.ts';
import type { Location } from '../../src/catalog/live/types.ts';
import type { Carrier, Kind } from '../../src/locations/kind.ts';
import { KINDS, type Kinds } from '../../src/locations/kinds/registry.ts';

type DeclaredLetterbox = DeclaredLocation & { letterbox: string; street?: string };

const nobody = () => {
  throw new Error('nothing is carried out here');
};
const carrier: Carrier = { estimate: nobody, plan: nobody, step: nobody, prove: nobody };

/** A kind that outlives the account, for what a catalog says of it. `streets`: those that there are. */
export const letterbox = (streets: ReadonlySet<string>): Kind => ({
  entry: 'letterbox',
  declare: z.strictObject({
    letterbox: z.string({ error: ({ input }) => (input === null ? 'say whose it is: letterbox: smith' : undefined) }),
    street: z.string().optional(),
  }),
  placeOf: (entry) => (entry as DeclaredLetterbox).letterbox.toLowerCase(),
  resolve: async (_, declared, { leaveOutMisfits }) => {
    const entries = entriesOf<DeclaredLetterbox>(declared, 'letterbox');
    const errors = entries
      .filter(({ street }) => street !== undefined && !streets.has(street))
      .map(({ letterbox, street }) => `${letterbox}: there is no street ${street}`);
    const there = entries.filter(({ street }) => street === undefined || streets.has(street));
    const locations = (leaveOutMisfits ? there : entries).map(
      (entry): Location => ({
        kind: 'letterbox',
        name: entry.name ?? entry.letterbox,
        owner: entry.owner,
        action: entry.action,
        atRequest: false,
        slaMs: entry.sla,
        stage: 1,
        guarded: false,
      }),
    );
    return { errors, warnings: [], unusable: errors, locations };
  },
  outcomes: {
    delete: carrier,
    set: { refused: 'a letter cannot be unwritten: delete it' },
    keep: carrier,
    refuse: { refused: 'letters cannot be sent back' },
  },
  inside: null,
  outside: null,
  look: nobody,
  findInTheWay: nobody,
  causeOf: nobody,
});

export const withLetterboxes = (...streets: string[]): Kinds => ({ ...KINDS, letterbox: letterbox(new Set(streets)) });

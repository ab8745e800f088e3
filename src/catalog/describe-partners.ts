import { isAsked } from '../locations/asked.ts';
import { kindOf } from '../locations/kinds/ask.ts';
import type { Kinds } from '../locations/kinds/registry.ts';
import type { Catalog } from './live/types.ts';

/** What a catalog says of one partner, for people. */
export type PartnerWords = {
  name: string;
  owner: string;
  /** The key by which it is asked: http, request, event, s3. */
  by: string;
  /** Its host, bucket or stream. Null: its kind says none. */
  at: string | null;
  /** It is asked before anything is deleted. */
  early: boolean;
  /** Columns whose values it is told; it is always told the account's key. */
  told: string[];
};

/** The partners of a catalog, in the order in which they are asked. */
export const describePartners = (catalog: Catalog, kinds: Kinds): PartnerWords[] =>
  catalog.locations.filter(isAsked).map((location) => ({
    name: location.name,
    owner: location.owner,
    by: kindOf(kinds, location).entry,
    at: placeOf(location.asks as Record<string, unknown>),
    early: location.early,
    told: [
      ...(location.each ? [`${location.each.location}.${location.each.column}`] : []),
      ...Object.values(location.select).map((column) => `${catalog.account.table}.${column}`),
    ],
  }));

/** Where a partner is asked, by the keys that kinds have for it. Never a path or a query: they may hold what is secret. */
function placeOf(asks: Record<string, unknown>): string | null {
  const of = (key: string) => (typeof asks[key] === 'string' ? (asks[key] as string) : undefined);
  const host = hostOf(of('url') ?? of('endpoint'));
  const within = of('bucket') ?? of('stream') ?? of('queue') ?? of('exchange');
  return [within, host].filter((part) => part !== undefined).join(' at ') || null;
}

const hostOf = (url: string | undefined): string | undefined => {
  // A template stands for what is not known yet: only the host is read, and it may have none.
  const [, host] = /^[a-z+]+:\/\/(?:[^/?#@]*@)?([^/?#]+)/i.exec(url ?? '') ?? [];
  return host;
};

import type { Context } from '../erasure/model/context.ts';
import type { AskedLocation, Sender } from '../locations/asked.ts';
import { connect } from '../store/client.ts';
import { openAsk } from './ask.ts';
import type { CanaryWork } from './model.ts';

/** Where the API is reached, and where `plant` runs; `variable` reads what the catalog names. */
export type CanarySettings = {
  readonly url: string;
  /** The same database with another role; undefined: as Lethe itself. */
  readonly databaseUrl?: string | undefined;
  readonly variable: (name: string) => string | undefined;
};

/** What keeps test data from being planted, in words; undefined: nothing, or the catalog has none. */
export function canaryProblem(
  { declared }: Pick<Context, 'declared'>,
  variable: CanarySettings['variable'],
): string | undefined {
  const name = declared.canary?.key;
  return name === undefined || variable(name) !== undefined
    ? undefined
    : `${name}: required by canary, an API key with the scope erasures:write`;
}

/** Opens what cycles are moved with, or null where the catalog has no test data or its key is not set. */
export function openCanary(
  ctx: Context,
  senders: { of(location: AskedLocation): Sender },
  { url, databaseUrl, variable }: CanarySettings,
): { workOf: (signal: AbortSignal) => CanaryWork; close: () => Promise<void> } | null {
  const declared = ctx.declared.canary;
  const key = declared && variable(declared.key);
  if (!declared || key === undefined) return null;
  const { ask, close: closeAsk } = openAsk(url, key);
  const planter = databaseUrl ? connect(databaseUrl, { max: 1, applicationName: 'lethe-canary' }) : null;
  return {
    workOf: (signal) => ({
      ctx,
      declared,
      planter: planter?.db ?? ctx.db,
      senderOf: (location) => senders.of(location),
      ask,
      signal,
    }),
    close: async () => {
      await Promise.all([closeAsk(), planter?.close()]);
    },
  };
}

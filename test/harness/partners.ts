import { EventPartner } from './event-partner.ts';
import { type FilesPartner, openFiles } from './files-partner.ts';
import type { Holdings } from './holdings.ts';
import { HttpPartner } from './http-partner.ts';

/** Things that a partner holds of each account. */
export const THINGS = 7;
/** What is accepted and not acknowledged is asked again after so long. */
const PACING = 'timeout: 1s, concurrency: 4, ackTimeout: 3s';

/** The systems outside of a run: one answers at once, one acknowledges later, one reads events, one is a bucket. */
export type Partners = {
  http: readonly HttpPartner[];
  event: EventPartner;
  files: FilesPartner;
  /** What each of them holds and was told. */
  holdings: readonly Holdings[];
  /** Their entries in the catalog, below its locations. */
  entries: string;
  env: Readonly<Record<string, string>>;
  close: () => Promise<void>;
};

/** Starts the partners of a run, gives each of them things of every account, and says what stands of them in the catalog. */
export async function openPartners(given: {
  accounts: readonly string[];
  redisUrl: string;
  redisPrefix: string;
  /** They take test data. */
  canaries: boolean;
  violated: (what: string) => void;
}): Promise<Partners> {
  const { accounts, redisUrl, redisPrefix, canaries, violated } = given;
  const search = new HttpPartner('search', false, violated);
  const letters = new HttpPartner('letters', true, violated);
  const warehouse = new EventPartner('warehouse', `${redisPrefix}:events`, violated);
  const files = await openFiles('files');
  const holdings = [search.holdings, letters.holdings, warehouse.holdings, files.holdings];
  for (const of of holdings) of.give(accounts, THINGS);
  await search.open();
  await letters.open();
  warehouse.open(redisUrl);
  const http = ({ url }: HttpPartner) =>
    `http: { url: "${url}", ${canaries ? `canary: "${url}", ` : ''}secret: "env:PARTNER_SECRET", ${PACING} }`;
  const entries = [
    // Its address goes with each call: it must be found nowhere else.
    `{ partner: search, owner: search, sla: 72h, select: { address: accounts.email }, ${http(search)} }`,
    `{ partner: letters, owner: letters, sla: 72h, select: { address: accounts.email }, ${http(letters)} }`,
    `{ partner: warehouse, owner: data, sla: 72h, event: { ${PACING} } }`,
    `{ partner: files, owner: media, sla: 72h, ${files.entry(PACING)} }`,
  ];
  return {
    http: [search, letters],
    event: warehouse,
    files,
    holdings,
    entries: entries.map((entry) => `  - ${entry}\n`).join(''),
    env: {
      PARTNER_SECRET: `whsec_${Buffer.alloc(32, 9).toString('base64')}`,
      ...files.env,
      LETHE_PRIVATE_HOSTS: '127.0.0.1',
    },
    close: async () => {
      await Promise.all([search.close(), letters.close(), warehouse.close(), files.close()]);
    },
  };
}

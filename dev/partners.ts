import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Newsletters, startNewsletters } from './newsletters.ts';
import { startRecommendations } from './recommendations.ts';
import { S3_CREDENTIALS, type S3Server, startS3 } from './s3.ts';
import { type SearchService, startSearchService } from './search-service.ts';
import type { Stack } from './stack.ts';
import { watched } from './watching.ts';

/** The other systems of the sample application. Each can be stopped and started again. */
export type Partners = {
  /** By the names that the catalog has for them. `opens`: one that is away opens its circuit; an event is published anyhow. */
  readonly named: Readonly<Record<string, { what: string; opens: boolean }>>;
  /** What a worker needs to reach them: the catalog with them in it, too. */
  readonly env: Readonly<Record<string, string>>;
  /** Gives an account so many things in each of them. */
  add(account: string, things: number): Promise<void>;
  /** Things that an account has left, by partner. */
  left(account: string): Promise<Record<string, number>>;
  /** What the ledger says of an account that had so many things in each of them. */
  counted(things: number): Record<string, number>;
  /** Of all that the accounts have that are not named here. */
  others(but: readonly string[]): Promise<string>;
  /** Where the service of the contract takes messages, those about test data as well. */
  readonly searchUrl: string;
  /** The one that is a Lethe, too. */
  readonly second: Newsletters;
  stop(): Promise<void>;
  start(): Promise<void>;
  destroy(): Promise<void>;
};

/** Starts them on loopback. */
export async function startPartners(stack: Pick<Stack, 'folder' | 'env' | 'postgres'>): Promise<Partners> {
  const { folder, env } = stack;
  const secondKey = `whsec_${randomBytes(32).toString('base64')}`;
  const key = `whsec_${randomBytes(32).toString('base64')}`;
  const [search, files, newsletters]: [SearchService, S3Server, Newsletters] = await Promise.all([
    startSearchService(key),
    startS3(),
    startNewsletters(stack, secondKey),
  ]);
  const events = { redis: env.REDIS_URL as string, stream: `${env.LETHE_REDIS_PREFIX}:events` };
  const recommendations = startRecommendations({ ...events, partner: 'recommendations' });
  await recommendations.start();
  const catalog = join(folder, 'catalog.yaml');
  const s3 = `bucket: ${files.bucket}, prefix: "avatars/{account}/", endpoint: "${files.url}", credentials: { key: "env:S3_KEY", secret: "env:S3_SECRET" }`;
  writeFileSync(
    catalog,
    watched(
      `${readFileSync('catalog.yaml', 'utf8').trimEnd()}
  - { partner: search, owner: search, http: { url: "${search.url}", canary: "${search.url}", secret: "env:SEARCH_SECRET" }, sla: 72h }
  - { partner: avatars, owner: media, s3: { ${s3} }, sla: 72h }
  - { partner: recommendations, owner: data, event: {}, sla: 72h }
  - { partner: newsletters, owner: newsletters, http: { url: "${newsletters.url}", secret: "env:NEWSLETTERS_SECRET" }, sla: 72h }
`,
      folder,
    ),
  );
  const known: string[] = [];
  return {
    named: {
      search: { what: 'a service (HTTP)', opens: true },
      avatars: { what: 'files (S3)', opens: true },
      recommendations: { what: 'events (Redis Streams)', opens: false },
      newsletters: { what: 'a second Lethe', opens: true },
    },
    env: {
      LETHE_CATALOG: catalog,
      LETHE_PRIVATE_HOSTS: '127.0.0.1',
      SEARCH_SECRET: key,
      NEWSLETTERS_SECRET: secondKey,
      S3_KEY: S3_CREDENTIALS.accessKeyId,
      S3_SECRET: S3_CREDENTIALS.secretAccessKey,
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    },
    add: async (account, things) => {
      known.push(account);
      search.add(account, things);
      recommendations.add(account, things);
      files.put(Array.from({ length: things }, (_, n) => `avatars/${account}/${n}.png`));
      await newsletters.add(account, things);
    },
    left: async (account) => ({
      search: search.count(account),
      avatars: files.count(`avatars/${account}/`),
      recommendations: recommendations.count(account),
      newsletters: await newsletters.count(account),
    }),
    counted: (things) => ({ search: 1, avatars: things, recommendations: 1, newsletters: 1 }),
    others: async (but) =>
      [
        await newsletters.checksum(but),
        ...known
          .filter((account) => !but.includes(account))
          .map(
            (account) =>
              `${search.count(account)} ${recommendations.count(account)} ${files.checksum(`avatars/${account}/`)}`,
          ),
      ].join('\n'),
    searchUrl: search.url,
    second: newsletters,
    stop: async () =>
      void (await Promise.all([search.stop(), files.stop(), recommendations.stop(), newsletters.stop()])),
    start: async () =>
      void (await Promise.all([search.start(), files.start(), recommendations.start(), newsletters.start()])),
    destroy: async () =>
      void (await Promise.all([search.stop(), files.destroy(), recommendations.stop(), newsletters.destroy()])),
  };
}

import { z } from 'zod';
import { asks as s3 } from '../locations/object-store/declare.ts';
import { span } from '../locations/outside/declare.ts';
import { isSender } from '../settings/mail-address.ts';
import type { Watching } from './live/declared.ts';
import { plantProblems } from './live/plant.ts';

const fromEnvironment = (example: string) =>
  z
    .string()
    .regex(/^env:[A-Za-z_][A-Za-z0-9_]*$/, `expected env: and the name of a variable, such as env:${example}`)
    .transform((written) => written.slice('env:'.length));

const ownerName = z.string().min(1).max(100);

const webAddress = z
  .string()
  .refine(
    (text) => /^https?:\/\//.test(text) && URL.canParse(text) && !new URL(text).username && !text.includes('#'),
    'expected a URL that begins with https://, without a user and without #',
  );

const notify = z.union(
  [
    z.strictObject({
      url: webAddress.describe('Where signed messages are posted. http:// only for hosts in LETHE_PRIVATE_HOSTS.'),
      secret: fromEnvironment('BILLING_ALERTS').describe('The variable with the secret that signs.'),
    }),
    z.strictObject({
      mail: z.string().refine(isSender, 'expected one address, such as billing@example.com').describe('Who is mailed.'),
    }),
  ],
  { error: 'expected { url: https://…, secret: env:NAME } or { mail: team@example.com }' },
);

const owner = z.strictObject({
  owner: ownerName.describe('A team that answers for locations: what stands there under owner.'),
  contact: z.string().trim().min(1).max(200).optional().describe('How to reach it; shown beside its alerts.'),
  notify: notify
    .optional()
    .describe('Tells the team when its tasks are late or fail, and when that is over. For teams without Prometheus.'),
});

const canary = z.strictObject({
  owner: ownerName.describe('The team that is told when test data is not erased.'),
  every: span('1m', '7d').describe('How often test data is planted: 6h.'),
  wait: span('1s', '7d').default(60_000).describe('From planting to the request: as long as copies need. Default: 1m.'),
  within: span('10s', '30d').default(3_600_000).describe('From the request until all of it must be gone. Default: 1h.'),
  key: fromEnvironment('CANARY_API_KEY').describe('The variable with the API key that the request is made with.'),
  plant: z
    .array(z.string().trim().min(1).max(10_000))
    .min(1)
    .max(50)
    .superRefine((plant, ctx) => {
      for (const { n, words } of plantProblems(plant)) ctx.addIssue({ code: 'custom', path: [n], message: words });
    })
    .describe(
      "Statements, run in one transaction. The first returns the new account's key. $account stands for the key, $marker for a text that no other account has.",
    ),
});

const dataset = z
  .strictObject({
    owner: ownerName.describe('The team that erases by it: the warehouse.'),
    sla: span('1h', '31d')
      .default(2 * 86_400_000)
      .describe("From the end of a day until its partition is there. Days are UTC's. Default: 48h."),
    folder: z.string().min(1).optional().describe('The folder that partitions are written to.'),
    s3: z
      .strictObject({
        bucket: s3.shape.bucket.describe('The bucket that partitions are written to.'),
        prefix: z
          .string()
          .regex(/^[\w!.*'()-]+(\/[\w!.*'()-]+)*\/?$/, 'expected a path such as lethe/erasures')
          .refine((path) => !/(^|\/)\.{1,2}(\/|$)/.test(path), 'expected a path without . and ..')
          .max(500)
          .optional()
          .describe('The path of the dataset in the bucket.'),
        region: s3.shape.region,
        endpoint: s3.shape.endpoint,
        pathStyle: s3.shape.pathStyle,
        credentials: s3.shape.credentials,
      })
      .optional()
      .describe('The bucket that partitions are written to.'),
  })
  .refine((d) => (d.folder === undefined) !== (d.s3 === undefined), 'expected a folder or s3, and one of them only')
  .meta({ oneOf: [{ required: ['folder'] }, { required: ['s3'] }] });

/**
 * What a catalog says of how it is watched: whom to tell, the test data, the dataset. None of it changes what an erasure
 * does. So it takes no part in the digest, and an erasure under way does not keep it.
 */
export const watchingShape = {
  owners: z.array(owner).optional().describe('How the teams that answer for locations are reached.'),
  canary: canary.optional().describe('Test data that is planted and erased on a schedule.'),
  dataset: dataset.optional().describe('Where the offline dataset of erasures is written.'),
};

export const WATCHING = ['owners', 'canary', 'dataset'] as const satisfies readonly (keyof Watching)[];

/** The keys of a part of it, by `partOf`. */
export function watchingKeys(part: string): readonly string[] {
  if (part === 'owners') return Object.keys(owner.shape);
  if (part === 'owners.notify') return ['url', 'secret', 'mail'];
  if (part === 'canary') return Object.keys(canary.shape);
  if (part === 'dataset') return Object.keys(dataset.shape);
  return [];
}

/** A catalog as it was written, without these parts. */
export function withoutWatching(written: unknown): unknown {
  if (typeof written !== 'object' || written === null) return written;
  return Object.fromEntries(Object.entries(written).filter(([key]) => !(WATCHING as readonly string[]).includes(key)));
}

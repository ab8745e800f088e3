import { z } from 'zod';
import { MOST_KEYS } from './message.ts';

/** The type of a message that has test data planted, and of one that asks whether it is there. */
export const PLANT = 'lethe.canary.plant';
export const LOOK = 'lethe.canary.look';

/** What both say: the `data` of the message. Members that this version does not know are left out. */
const saidSchema = z.object({
  task: z.string().min(1).max(200).describe('The id of the message.'),
  partner: z.string().min(1).max(200).describe('What the catalog of the sender calls the partner.'),
  account: z
    .record(z.string(), z.string())
    .describe("The test account's key: each column by its name, as the database prints it. No person has it."),
  marker: z.string().min(1).max(200).describe('A text that no other account has: it finds the test data again.'),
});

const envelope = {
  specversion: z.literal('1.0'),
  id: z.string().min(1).max(200),
  source: z.string().min(1).max(2000).describe('The public URL of the Lethe that asks.'),
  time: z.iso.datetime({ offset: true }).describe('When it was sent.'),
  datacontenttype: z.literal('application/json'),
};

/** Has the partner store something of an account that no person has. It is erased by an ordinary message later. */
export const plantSchema = z.object({
  ...envelope,
  id: envelope.id.describe('The same for all tries: plant once for each id.'),
  type: z.literal(PLANT),
  data: saidSchema.extend({
    keys: z
      .array(z.string())
      .min(1)
      .max(MOST_KEYS)
      .optional()
      .describe('Plant something for each of these keys: the erasure will name them.'),
    values: z
      .record(z.string(), z.string().nullable())
      .optional()
      .describe("Columns of the account's row, as the erasure will have them."),
  }),
});

/** Asks whether anything of the account is there. Nothing may be deleted for it. */
export const lookSchema = z.object({
  ...envelope,
  id: envelope.id.describe('Another for each question: look anew each time.'),
  type: z.literal(LOOK),
  data: saidSchema,
});

export type PlantMessage = z.infer<typeof plantSchema>;
export type LookMessage = z.infer<typeof lookSchema>;

/** The body of a `200` to a message that plants. */
export const plantedSchema = z.object({
  task: z.string().min(1).max(200).describe('The id of the message.'),
  status: z.literal('planted'),
  items: z.int().min(0).optional().describe('How many things were planted.'),
});

/** The body of a `200` to a message that looks. */
export const lookedSchema = z.object({
  task: z.string().min(1).max(200).describe('The id of the message.'),
  status: z.enum(['absent', 'present']).describe('`absent`: nothing of the account is there.'),
});

/** What is asked about. `keys`, `values`: what the message of the erasure will have of them, for planting. */
export type AboutCanary = {
  readonly id: string;
  readonly partner: string;
  readonly account: Readonly<Record<string, string>>;
  readonly marker: string;
  readonly keys?: readonly string[] | null;
  readonly values?: Readonly<Record<string, string | null>>;
};

type Sent = { readonly publicUrl: string; readonly at: Date };

const about = ({ id, partner, account, marker }: AboutCanary) => ({
  task: id,
  partner,
  account: { ...account },
  marker,
});

const enveloped = <T extends string>(id: string, type: T, { publicUrl, at }: Sent) => ({
  specversion: '1.0' as const,
  id,
  source: publicUrl.replace(/\/+$/, ''),
  type,
  time: at.toISOString(),
  datacontenttype: 'application/json' as const,
});

export const buildPlant = (of: AboutCanary, sent: Sent): PlantMessage => ({
  ...enveloped(of.id, PLANT, sent),
  data: {
    ...about(of),
    ...(of.keys && of.keys.length > 0 && { keys: of.keys.slice(0, MOST_KEYS) }),
    ...(of.values && Object.keys(of.values).length > 0 && { values: { ...of.values } }),
  },
});

export const buildLook = (of: AboutCanary, sent: Sent): LookMessage => ({
  ...enveloped(of.id, LOOK, sent),
  data: about(of),
});

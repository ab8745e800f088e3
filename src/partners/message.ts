import { z } from 'zod';

/** The most keys that one message names. */
export const MOST_KEYS = 1000;

const TYPE = 'lethe.erasure.requested';

/** The media type of a CloudEvents message in structured JSON. */
export const MESSAGE_TYPE = 'application/cloudevents+json';

/** What is asked of a partner: the `data` of the message. Members that this version does not know are left out. */
export const askedSchema = z.object({
  task: z.string().min(1).max(200).describe('The id of the message: all tries have the same.'),
  erasure: z.string().min(1).max(200).describe('The erasure. Several messages may belong to it.'),
  partner: z.string().min(1).max(200).describe('What the catalog of the sender calls the partner.'),
  account: z
    .record(z.string(), z.string())
    .describe("The account's key: each column by its name, as the database prints it."),
  requestedAt: z.iso
    .datetime({ offset: true })
    .describe('When the erasure was asked for. Erase only what is older: somebody new may have the key.'),
  keys: z
    .array(z.string())
    .min(1)
    .max(MOST_KEYS)
    .optional()
    .describe('Erase what belongs to these keys, and nothing else. Absent: all that the account has.'),
  values: z
    .record(z.string(), z.string().nullable())
    .optional()
    .describe("Columns of the account's row, by the names that the catalog has for them."),
  acknowledge: z
    .object({ url: z.url().max(2000), token: z.string().min(1).max(500) })
    .describe('Where the work is acknowledged once it is done, and the bearer token for that.'),
});

/** The message: a CloudEvents 1.0 event in structured JSON. Its source: CloudEvents 1.0.2, JSON format 1.0.2. */
export const messageSchema = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1).max(200).describe('The same for all tries: erase once for each id.'),
  source: z.string().min(1).max(2000).describe('The public URL of the Lethe that asks.'),
  type: z.literal(TYPE),
  time: z.iso.datetime({ offset: true }).describe('When the erasure was asked for.'),
  datacontenttype: z.literal('application/json'),
  data: askedSchema,
});

export type Message = z.infer<typeof messageSchema>;

/** What a partner says of a message: the body of a `200`, and of an acknowledgement. */
export const acknowledgementSchema = z.object({
  task: z.string().min(1).max(200).describe('The id of the message.'),
  status: z
    .enum(['erased', 'not_found', 'failed'])
    .describe('`not_found`: the partner never had it. `failed`: it is asked again later.'),
  reason: z.string().max(2000).optional().describe('Why it failed. Name no person.'),
});

export type Acknowledgement = z.infer<typeof acknowledgementSchema>;

/** What of a call is said to its partner. */
export type Said = {
  readonly id: string;
  readonly erasureId: string;
  readonly location: string;
  readonly account: Readonly<Record<string, string>>;
  readonly requestedAt: Date;
  readonly values: Readonly<Record<string, string | null>>;
  readonly keys: readonly string[] | null;
};

/** Who asks, and what acknowledges one call. */
export type Asking = { readonly publicUrl: string; readonly tokenOf: (callId: string) => string };

/** The message of one call. Every try of it is the same, as long as the secret of the tokens is. */
export function buildMessage(call: Said, { publicUrl, tokenOf }: Asking): Message {
  const base = publicUrl.replace(/\/+$/, '');
  const requestedAt = call.requestedAt.toISOString();
  return {
    specversion: '1.0',
    id: call.id,
    source: base,
    type: TYPE,
    time: requestedAt,
    datacontenttype: 'application/json',
    data: {
      task: call.id,
      erasure: call.erasureId,
      partner: call.location,
      account: { ...call.account },
      requestedAt,
      ...(call.keys && { keys: [...call.keys] }),
      ...(Object.keys(call.values).length > 0 && { values: { ...call.values } }),
      acknowledge: { url: `${base}/v1/tasks/${call.id}/ack`, token: tokenOf(call.id) },
    },
  };
}

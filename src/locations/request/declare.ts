import { z } from 'zod';
import { pacingShape } from '../outside/declare.ts';

const SUCCESS = 'say which answers mean that it is gone: done: [200, 404]';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const oneOrMore = <S extends z.ZodType>(item: S) => z.union([item, z.array(item).min(1)]);

const rule = z.strictObject({
  status: oneOrMore(z.int()).describe('Statuses of the answer.'),
  where: z
    .record(z.string(), oneOrMore(scalar))
    .optional()
    .describe(
      'Values that its JSON must have, by their place: { error.code: resource_missing }. A list: one of these.',
    ),
  has: oneOrMore(z.string()).optional().describe('Places of its JSON where something must stand: data.regulateId.'),
});

const done = z.union([z.int(), rule, z.array(z.union([z.int(), rule])).min(1)], { error: SUCCESS });

const text = z.string();

const follow = z.strictObject({
  url: text.describe('Where the job is looked up, with {answer.place} of the answer that began it.'),
  headers: z.record(z.string(), text).optional().describe('Headers of the look-up. Default: those of the request.'),
  done: done.describe('Answers that mean that the job has deleted it.'),
  failed: done.optional().describe('Answers that mean that the job will not: the request is made again.'),
});

/** What stands under `request:` in the catalog. */
export const asks = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], {
    error: 'expected one of GET, POST, PUT, PATCH, DELETE, in capital letters',
  }),
  url: z
    .string('say what is called: url: "https://api.example.com/users/{account}"')
    .describe('What is called. Values are percent-encoded: https://api.stripe.com/v1/customers/{customer}.'),
  headers: z
    .record(z.string(), text, { error: 'expected names with texts, such as { Authorization: "Bearer {env:KEY}" }' })
    .optional()
    .describe('Headers by name: { Authorization: "Bearer {env:KEY}" }.'),
  basic: z
    .strictObject({ user: text, password: text })
    .optional()
    .describe('User and password of the Basic scheme (RFC 7617).'),
  body: z
    .union([z.record(z.string(), z.unknown()), z.array(z.unknown())], {
      error: 'expected keys with values, which are sent as JSON',
    })
    .optional()
    .describe('Sent as JSON. Its texts are templates.'),
  form: z
    .record(z.string(), text, { error: 'expected names with texts, which are sent as a form' })
    .optional()
    .describe('Sent as application/x-www-form-urlencoded.'),
  done: done.describe('Answers that mean that it is gone: statuses, or statuses with what their JSON says.'),
  follow: follow.optional().describe('A job that the answer speaks of, which is looked up every ackTimeout.'),
  skip: oneOrMore(
    z
      .string()
      .regex(/^when [A-Za-z][A-Za-z0-9_]* is (null|empty)$/, 'expected a condition such as: when customer is null'),
  )
    .optional()
    .describe('There is nothing to ask for: when customer is null.'),
  keysAtOnce: z
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .describe('With {keys}: how many keys one request names at most. Default: 1000.'),
  ...pacingShape,
});

export type Asks = z.infer<typeof asks>;
export type Done = z.infer<typeof done>;

export const listOf = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T];

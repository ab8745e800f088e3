/** What is looked at, in the order in which it is told. `when`: what the line needs. */
export const CHECKS = {
  answers: 'it answers in time',
  signed: 'it takes a signed message',
  unsigned: 'it refuses a message without a signature',
  wrong: 'it refuses a signature that does not fit',
  old: 'it refuses a message that was signed ten minutes ago',
  ahead: 'it refuses a message that is signed ten minutes ahead',
  status: 'its status says that it is erased, or accepted',
  json: 'a 200 comes with JSON that can be read',
  echo: 'a 200 echoes the id of the task',
  unknown: 'it says erased or not_found of an account that it does not have',
  twice: 'it answers the same message twice alike',
  type: 'it erases nothing for a type that it does not know',
  acknowledged: 'it acknowledges what it has accepted',
  plant: 'it plants test data',
  canarySigned: 'it refuses to look for test data without a signature',
  present: 'it finds the test data that it has planted',
  newer: 'it keeps what is newer than the request',
  erases: 'it erases the test data',
  absent: 'it finds nothing of the test data after that',
  again: 'it answers the erasure of test data twice alike',
} as const;
export type Check = keyof typeof CHECKS;
export const CANARY_CHECKS: readonly Check[] = [
  'plant',
  'canarySigned',
  'present',
  'newer',
  'erases',
  'absent',
  'again',
];

/** One line of the report. `skipped`: it could not be seen, and `came` says why. */
export type Line = {
  readonly check: Check;
  readonly result: 'ok' | 'failed' | 'skipped';
  readonly expected?: string;
  readonly came: string;
  readonly todo?: string;
};

/** What was expected, and what the team does when something else came. `{secret}` is the name of the variable. */
const EXPECTED: Readonly<Record<Check, readonly [string, string]>> = {
  answers: [
    'a complete answer within the timeout',
    'see that it listens there; answer 202 at once, and acknowledge, where erasing takes longer',
  ],
  signed: [
    'an answer that believes the signature',
    'compare {secret} with its secret, and the clocks; verify over the body as it came. Where its keys have another form, give one that no account has: --account',
  ],
  unsigned: ['401, or another 4xx', 'verify webhook-signature before anything else is done'],
  wrong: [
    '401, or another 4xx',
    'compare webhook-signature with the HMAC of webhook-id, webhook-timestamp and the body as it came',
  ],
  old: ['401, or another 4xx', 'refuse a webhook-timestamp that is more than five minutes before your clock'],
  ahead: ['401, or another 4xx', 'refuse a webhook-timestamp that is more than five minutes after your clock'],
  status: [
    '200 or 204, or 202 where it is acknowledged later',
    'see that the route is right, and that the service works',
  ],
  json: [
    'JSON of at most 64 kB, not compressed',
    'answer { "task": "<id>", "status": "erased" } as it is; see that no page or proxy answers',
  ],
  echo: ['"task" with the id of the message', 'write the id of the message into "task"'],
  unknown: [
    '"status" is erased or not_found, without an error beside it',
    'say not_found of an account that you do not have: it is as good as erased',
  ],
  twice: ['the same answer to the same id', 'keep the answer by the id of the message, and give it again'],
  type: [
    'an answer that says neither erased nor accepted, such as 422',
    'look at "type", and refuse all but lethe.erasure.requested',
  ],
  acknowledged: [
    'an acknowledgement that says erased or not_found',
    'post to data.acknowledge.url with the token of the message, and again where that fails',
  ],
  canarySigned: ['401, or another 4xx', 'verify the signature at this address as well'],
  plant: [
    '200 with the id of the task and the status planted',
    'store something of the account, as your product would',
  ],
  present: [
    '200 with the id of the task and the status present',
    'look where the data is; see that planting has stored it before it answers',
  ],
  newer: [
    'still present after an erasure that was asked for a day before',
    'erase only what is older than requestedAt: somebody new may have the key',
  ],
  erases: ['erased, or accepted', 'see why it does not erase the account that it has planted'],
  absent: [
    '200 with the id of the task and the status absent',
    'say erased only when the data is gone: here it said so, and has it still',
  ],
  again: ['the same answer to the same id', 'keep the answer by the id of the message, and give it again'],
};

export const ok = (check: Check, came: string): Line => ({ check, result: 'ok', came });
export const skipped = (check: Check, why: string): Line => ({ check, result: 'skipped', came: why });
export function failed(check: Check, came: string, { secretName }: { secretName: string }): Line {
  const [expected, todo] = EXPECTED[check];
  return { check, result: 'failed', expected, came, todo: todo.replace('{secret}', secretName) };
}

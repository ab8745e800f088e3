import type { Answered, Connections } from '../../partners/request.ts';
import type { Answer, AskedLocation, Call } from '../asked.ts';
import type { Compiled } from './compile.ts';
import { readJson, valueAt, whyNot } from './judge.ts';
import { pauseOf } from './pause.ts';
import { type Said, sayLookUp, sayRequest } from './say.ts';
import { slotsOf } from './template.ts';
import { standsFor, type Telling, Unsayable } from './values.ts';

/** What one send works with. */
export type Sending = {
  readonly connections: Connections;
  readonly variable: (name: string) => string | undefined;
  readonly signal: AbortSignal;
};

/** So much of the time that a call may take is used for its keys: the next one must have ended within it. */
const SHARE = 0.5;

/** How far a call has come: keys that are done, and the job that was begun for the next ones. */
type Reached = { readonly keys: number; readonly job: readonly string[] };

const reached = ([keys, ...job]: readonly string[]): Reached => ({ keys: Number(keys ?? 0), job });

/**
 * Makes the requests of one call, one after the other, from where the last try ended. It stops after a while and says how
 * far it is, so that what is done is recorded. Each request has the same id in every try.
 */
export async function sendCall(
  sending: Sending,
  location: AskedLocation,
  compiled: Compiled,
  call: Call,
): Promise<Answer> {
  const { timeoutMs, perSecond } = location.pacing;
  const until = performance.now() + timeoutMs * SHARE;
  const from = reached(call.cursor ?? []);
  let { keys, job } = from;
  let rows = 0;
  let words = '';
  const total = call.keys?.length ?? 1;
  while (keys < total) {
    const of = call.keys?.slice(keys, keys + compiled.keysAtOnce) ?? [];
    const telling = tellingOf(sending, call, of, keys);
    const step = await doStep(sending, timeoutMs, compiled, telling, job, call.attempts);
    if (step.kind === 'later' || step.kind === 'accepted')
      return keys === from.keys ? step : { kind: 'more', words, rows, cursor: [String(keys), ...job] };
    words = step.words;
    if (step.kind === 'begun') return { kind: 'more', words, rows, cursor: [String(keys), ...step.job] };
    rows += step.rows;
    job = [];
    keys += call.keys ? of.length : 1;
    // The rate of the partner counts calls: where there is one, a call is one request.
    if (keys < total && (perSecond !== null || performance.now() > until))
      return { kind: 'more', words, rows, cursor: [String(keys)] };
  }
  return { kind: 'done', words, rows };
}

function tellingOf({ variable }: Sending, call: Call, keys: readonly string[], from: number): Telling {
  const { account, values, requestedAt } = call;
  return { account, values, requestedAt, keys, variable, id: call.keys ? `${call.id}/${from}` : call.id };
}

/** What came of one request: `begun` says which job it began. */
type Step =
  | Extract<Answer, { kind: 'later' | 'accepted' }>
  | { readonly kind: 'done'; readonly words: string; readonly rows: number }
  | { readonly kind: 'begun'; readonly words: string; readonly job: readonly string[] };

const later = (words: string, down = false, afterMs?: number): Step => ({
  kind: 'later',
  words,
  down,
  ...(afterMs === undefined ? {} : { afterMs }),
});

async function doStep(
  sending: Sending,
  timeoutMs: number,
  compiled: Compiled,
  telling: Telling,
  job: readonly string[],
  attempts: number,
): Promise<Step> {
  const skipped = compiled.skip.find(({ name, is }) => {
    const value = standsFor(name, telling);
    return value === null || (is === 'empty' && value === '');
  });
  if (skipped) return { kind: 'done', words: `nothing was asked: skip ${skipped.written}`, rows: 0 };
  try {
    if (job.length > 0 && compiled.follow)
      return await lookUp(sending, timeoutMs, compiled.follow, telling, job, attempts);
    const said = sayRequest(compiled, telling);
    return await ask(sending, timeoutMs, said, (answered) => judge(compiled, answered, telling));
  } catch (error) {
    if (error instanceof Unsayable) return later(error.message, error.always);
    throw error;
  }
}

/** One request. What speaks of the service itself is judged here: no credential, too many requests, an outage. */
async function ask(
  { connections, signal }: Sending,
  timeoutMs: number,
  said: Said,
  judged: (answered: Answered) => Step,
): Promise<Step> {
  const answered = await connections.request({ ...said, timeoutMs, signal });
  if (answered.kind === 'unanswered') return later(answered.words, answered.down);
  const { status } = answered;
  if (status === 401 || status === 403) return later(`answered ${status}: it refused the credential`, true);
  if (status === 429) return later('answered 429: too many requests', false, pauseOf(answered.headers));
  if (status === 503) return later('answered 503: not available', true, pauseOf(answered.headers));
  if (status >= 500) return later(`answered ${status}`, true);
  if (status >= 300 && status < 400)
    return later(`answered ${status}, a redirect, which is not followed: write the address that is meant`, true);
  return judged(answered);
}

const received = ({ status, body, cut, headers }: Answered) => ({
  status,
  body,
  whole: !cut,
  coded: !['identity', undefined].includes(headers['content-encoding']),
});

function judge({ done, follow, keysAtOnce }: Compiled, answered: Answered, telling: Telling): Step {
  const why = whyNot(done, received(answered), telling);
  if (why !== null) return later(why);
  const rows = keysAtOnce > 1 ? telling.keys.length : 1;
  if (!follow) return { kind: 'done', words: `answered ${answered.status}`, rows };
  const read = readJson(answered.body, !answered.cut);
  if (typeof read === 'string') return later(`answered ${answered.status} ${read}`);
  const job = answerNames(follow).map((name) => valueAt(read.json, name.slice('answer.'.length)));
  if (!job.every((value) => (typeof value === 'string' && value !== '') || typeof value === 'number'))
    return later(`answered ${answered.status}, but its JSON does not name the job that follow: looks up`);
  return { kind: 'begun', words: `answered ${answered.status}: it began a job`, job: job.map(String) };
}

type Follow = NonNullable<Compiled['follow']>;

/** Names of what a look-up says of the answer, in one order. */
const answerNames = ({ url, headers }: Follow): string[] => {
  const templates = [...url.segments, ...(url.query ? [url.query] : []), ...headers.map(([, text]) => text)];
  const names = templates.flatMap((template) => slotsOf(template).map(({ name }) => name));
  return [...new Set(names.filter((name) => name.startsWith('answer.')))].sort();
};

/** Tries of a job that failed, before another one is begun: a service that fails at once is not asked without end. */
const REST = 3;

async function lookUp(
  sending: Sending,
  timeoutMs: number,
  follow: Follow,
  telling: Telling,
  job: readonly string[],
  attempts: number,
): Promise<Step> {
  const answer = Object.fromEntries(answerNames(follow).map((name, n) => [name.slice('answer.'.length), job[n] ?? '']));
  const asked = { ...telling, answer };
  return ask(sending, timeoutMs, sayLookUp(follow, asked), (answered) => {
    const of = received(answered);
    if (whyNot(follow.done, of, asked) === null)
      return {
        kind: 'done',
        words: `answered ${answered.status}: the job is done`,
        rows: Math.max(1, telling.keys.length),
      };
    if (follow.failed.length > 0 && whyNot(follow.failed, of, asked) === null)
      return attempts < REST
        ? later('the job failed: it is begun again after a while')
        : { kind: 'begun', words: 'the job failed: it is begun again', job: [] };
    const declared = follow.done.some(({ statuses }) => statuses.includes(answered.status));
    return declared
      ? { kind: 'accepted', words: `answered ${answered.status}: the job is not done yet` }
      : later(`answered ${answered.status} when its job was looked up`);
  });
}

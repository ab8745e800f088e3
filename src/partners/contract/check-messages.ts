import { classify, partnersClock, readJson } from '../answer.ts';
import { acknowledgementSchema, type Message } from '../message.ts';
import type { Answered, Unanswered } from '../request.ts';
import { isAlike, type Standing } from './alike.ts';
import { type Check, failed, type Line, ok, skipped } from './line.ts';
import type { Probe, Variation } from './probe.ts';
import type { Target } from './target.ts';

const TEN_MINUTES = 600_000;
/** Clocks that are further apart are told of. */
const APART_MS = 60_000;

const REFUSALS: readonly (readonly [Check, readonly Variation[]])[] = [
  ['unsigned', [{ how: 'unsigned' }]],
  ['wrong', [{ how: 'other secret' }, { how: 'other body' }]],
  ['old', [{ byMs: -TEN_MINUTES }]],
  ['ahead', [{ byMs: TEN_MINUTES }]],
];
const ANSWERS: readonly Check[] = ['status', 'json', 'echo', 'unknown'];

/** Looks at the address that erases. Yields a line for each check, in their order. */
export async function* checkMessages(target: Target, probe: Probe): AsyncGenerator<Line, Standing | undefined> {
  const message = probe.erasure(target.account);
  const first = await probe.send('url', message);
  if (first.kind === 'unanswered') {
    yield failed('answers', first.words, target);
    for (const check of ['signed', ...REFUSALS.map(([check]) => check), ...ANSWERS, 'twice', 'type'] as const)
      yield skipped(check, 'it does not answer');
    return undefined;
  }
  yield ok('answers', `within ${target.timeoutMs / 1000} s`);
  const isTaken = ![400, 401, 403, 422].includes(first.status);
  yield isTaken
    ? ok('signed', `${first.status}`)
    : failed('signed', `${classify(first, message.id).words}${clocks(first)}`, target);
  for (const [check, variations] of REFUSALS)
    yield isTaken
      ? await checkRefusal(target, probe, { check, variations, first })
      : skipped(check, 'it refuses what is signed well, too');
  if (!isTaken) {
    for (const check of [...ANSWERS, 'twice', 'type'] as const) yield skipped(check, 'it takes no message');
    return undefined;
  }
  yield* checkAnswer(target, first, message.id);
  const outcome = classify(first, message.id);
  yield outcome.kind === 'later'
    ? skipped('twice', 'the first answer does not count')
    : await checkTwice(target, probe, { check: 'twice', message, first });
  yield await checkType(target, probe);
  return outcome.kind === 'later' ? undefined : { message, kind: outcome.kind };
}

/** How far the clocks are apart, where a refusal says what the partner's shows. */
function clocks({ headers }: Answered): string {
  const ahead = (partnersClock(headers.date) ?? Date.now()) - Date.now();
  if (Math.abs(ahead) < APART_MS) return '';
  return `; its clock is ${Math.round(Math.abs(ahead) / 1000)} seconds ${ahead > 0 ? 'ahead of' : 'behind'} this one`;
}

type Refusal = { check: Check; variations: readonly Variation[]; first: Answered };

async function checkRefusal(target: Target, probe: Probe, { check, variations, first }: Refusal): Promise<Line> {
  let refused: Answered | undefined;
  for (const variation of variations) {
    const message = probe.erasure(target.account);
    const answer = await probe.send('url', message, variation);
    if (!isRefusal(answer)) return failed(check, wordsOf(answer, message.id), target);
    refused = answer;
  }
  const status = (refused as Answered).status;
  // A wrong route answers everything so.
  return status === first.status
    ? skipped(check, `it answers ${status} to what is signed well, too`)
    : ok(check, `${status}`);
}

const isRefusal = (answer: Answered | Unanswered): answer is Answered =>
  answer.kind === 'answered' && answer.status >= 400 && answer.status < 500 && ![409, 429].includes(answer.status);

/** As a worker would log it. */
export const wordsOf = (answer: Answered | Unanswered, task: string): string =>
  answer.kind === 'unanswered' ? answer.words : classify(answer, task).words;

/** Whether a first answer says in the form of the contract that the account is gone. The last lines need those before. */
function* checkAnswer(target: Target, answer: Answered, task: string): Generator<Line> {
  const { kind, words } = classify(answer, task);
  const needsBody = answer.status === 200;
  if (kind === 'later' && !needsBody) {
    yield failed('status', words, target);
    for (const check of ANSWERS.slice(1)) yield skipped(check, 'its status says nothing of it');
    return;
  }
  yield ok('status', `${answer.status}`);
  if (!needsBody) {
    yield ok('json', `${answer.status} needs none`);
    yield ok('echo', `${answer.status} needs none`);
    yield ok('unknown', words);
    return;
  }
  const json = readJson(answer);
  if ('problem' in json) {
    yield failed('json', words, target);
    for (const check of ['echo', 'unknown'] as const) yield skipped(check, 'there is nothing to read');
    return;
  }
  yield ok('json', 'it can be read');
  const { task: echoed } = (json.said ?? {}) as { task?: unknown };
  if (echoed !== task) {
    yield failed('echo', `${words}${echoed === undefined ? '' : '; its task is another'}`, target);
    yield skipped('unknown', 'nothing says which task it is about');
    return;
  }
  yield ok('echo', 'it does');
  yield kind === 'later' ? failed('unknown', unknownWords(json.said, words), target) : ok('unknown', words);
}

const unknownWords = (said: unknown, words: string) =>
  acknowledgementSchema.safeParse(said).success ? words : 'answered 200 with a status that the contract does not have';

type Twice = { check: 'twice' | 'again'; message: Message; first: Answered };

/** The same message again, signed anew. */
export async function checkTwice(target: Target, probe: Probe, { check, message, first }: Twice): Promise<Line> {
  const second = await probe.send('url', message);
  const came = `first ${wordsOf(first, message.id)}, then ${wordsOf(second, message.id)}`;
  return second.kind === 'answered' && isAlike(first, second, message.id)
    ? ok(check, came)
    : failed(check, came, target);
}

async function checkType(target: Target, probe: Probe): Promise<Line> {
  const message = { ...probe.erasure(target.account), type: 'lethe.test.unknown' };
  const answer = await probe.send('url', message);
  const isTaken = answer.kind === 'answered' && classify(answer, message.id).kind !== 'later';
  const words = answer.kind === 'answered' && !isTaken ? `${answer.status}` : wordsOf(answer, message.id);
  return isTaken ? failed('type', words, target) : ok('type', words);
}

import { randomBytes } from 'node:crypto';
import { classify, partnersClock } from '../answer.ts';
import { type LookedThere, readLooked, readPlanted } from '../canary-answer.ts';
import type { Answered } from '../request.ts';
import type { Listener } from './acknowledgements.ts';
import { checkTwice, wordsOf } from './check-messages.ts';
import { CANARY_CHECKS, type Check, failed, type Line, ok, skipped } from './line.ts';
import { type Probe, pause } from './probe.ts';
import type { Target } from './target.ts';

const DAY = 86_400_000;
/** Between two looks for what must go. */
const LOOK_AGAIN_MS = 200;

type Tools = { readonly probe: Probe; readonly listener: Listener; readonly signal: AbortSignal };

/** Plants test data, has it erased, and looks: what an answer says of itself proves nothing. A line for each check. */
export async function* checkTestData(target: Target, tools: Tools): AsyncGenerator<Line, void> {
  const { probe } = tools;
  const marker = `lethe-test-data-${randomBytes(8).toString('hex')}`;
  const look = async (): Promise<LookedThere> => {
    const message = probe.look(target.planted, marker);
    const answer = await probe.send('canary', message);
    return answer.kind === 'answered' ? readLooked(answer, message.id) : { kind: 'unknown', words: answer.words };
  };
  const restSkipped = (after: Check, why: string): Line[] =>
    CANARY_CHECKS.slice(CANARY_CHECKS.indexOf(after) + 1).map((check) => skipped(check, why));

  const planted = await plant(target, probe, marker);
  if ('problem' in planted) {
    yield failed('plant', planted.problem, target);
    yield* restSkipped('plant', 'nothing is planted');
    return;
  }
  yield ok('plant', planted.words);
  yield await checkSigned(target, probe, marker);
  const before = await look();
  if (before.kind !== 'present') {
    yield failed('present', before.words, target);
    yield* restSkipped('present', 'nothing shows what is there');
    return;
  }
  yield ok('present', before.words);
  let { clock } = planted;
  const newer = await checkNewer(target, tools, look);
  yield newer;
  if (newer.result === 'failed') {
    const again = await plant(target, probe, marker);
    if (!('problem' in again)) clock = again.clock;
  }
  yield* checkErased(target, tools, { look, clock });
}

async function checkSigned(target: Target, probe: Probe, marker: string): Promise<Line> {
  const message = probe.look(target.planted, marker);
  for (const how of ['unsigned', 'other secret'] as const) {
    const answer = await probe.send('canary', message, { how });
    const isRefused = answer.kind === 'answered' && answer.status >= 400 && answer.status < 500;
    const words = answer.kind === 'answered' ? readLooked(answer, message.id).words : answer.words;
    if (!isRefused) return failed('canarySigned', words, target);
  }
  return ok('canarySigned', 'it refuses it');
}

/** `clock`: what the partner's showed when it had planted, in milliseconds. */
async function plant(
  target: Target,
  probe: Probe,
  marker: string,
): Promise<{ words: string; clock: number } | { problem: string }> {
  const message = probe.plant(target.planted, marker);
  const answer = await probe.send('canary', message);
  if (answer.kind === 'unanswered') return { problem: answer.words };
  const { kind, words } = readPlanted(answer, message.id);
  return kind === 'planted' ? { words, clock: partnersClock(answer.headers.date) ?? 0 } : { problem: words };
}

/** Erases as of yesterday: what was planted today belongs to somebody who has the key since then. */
async function checkNewer(target: Target, tools: Tools, look: () => Promise<LookedThere>): Promise<Line> {
  const { probe, listener } = tools;
  const message = probe.erasure(target.planted, new Date(Date.now() - DAY));
  const answer = await probe.send('url', message);
  if (answer.kind === 'answered' && classify(answer, message.id).kind === 'accepted')
    await listener.heard(message.id, target.withinMs);
  const { kind, words } = await look();
  if (kind === 'present') return ok('newer', words);
  return failed('newer', kind === 'absent' ? 'it is gone' : words, target);
}

type Planted = { look: () => Promise<LookedThere>; clock: number };

async function* checkErased(
  target: Target,
  { probe, signal }: Tools,
  { look, clock }: Planted,
): AsyncGenerator<Line, void> {
  // A header has whole seconds, and its clock may be ahead: what it has planted is older than this.
  const message = probe.erasure(target.planted, new Date(Math.max(Date.now(), clock + 1000)));
  const first = await probe.send('url', message);
  const kind = first.kind === 'answered' ? classify(first, message.id).kind : 'later';
  if (kind === 'later') {
    yield failed('erases', wordsOf(first, message.id), target);
    for (const check of ['absent', 'again'] as const) yield skipped(check, 'it does not say that it erases');
    return;
  }
  yield ok('erases', wordsOf(first, message.id));
  const end = Date.now() + target.withinMs;
  let left = await look();
  while (left.kind !== 'absent' && Date.now() < end && !signal.aborted) {
    await pause(LOOK_AGAIN_MS, signal);
    left = await look();
  }
  yield left.kind === 'absent'
    ? ok('absent', left.words)
    : failed(
        'absent',
        `${left.words}, ${target.withinMs / 1000} s after it answered: ${wordsOf(first, message.id)}`,
        target,
      );
  yield await checkTwice(target, probe, { check: 'again', message, first: first as Answered });
}

import { createHash } from 'node:crypto';
import type { Mail } from '../../dev/evidence.ts';

/** A message to an owner, as its team took it. The same one may come again with its id. */
export type Delivery = { id: string; owner: string; state: string };

const isBad = ({ state }: Delivery) => state !== 'well';
/** Late is worse than failing, and is told after it. */
const isWorse = (state: string, than: string) => state === 'late' && than === 'failing';

/**
 * An owner is told once when it begins, once more where it becomes worse, and once when it is over. `states`: how each owner stands at the end. Empty when all
 * is well.
 */
export function toldOnce(deliveries: readonly Delivery[], states: Readonly<Record<string, string>>): string[] {
  const problems: string[] = [];
  const last = new Map<string, Delivery>();
  const known = new Map<string, Delivery>();
  for (const delivery of deliveries) {
    const { id, owner, state } = delivery;
    const before = known.get(id);
    if (before) {
      if (before.owner !== owner || before.state !== state)
        problems.push(`the message ${id} said ${before.owner} ${before.state}, and then ${owner} ${state}`);
      continue;
    }
    known.set(id, delivery);
    const previous = last.get(owner);
    last.set(owner, delivery);
    if (!isBad(delivery) && !(previous && isBad(previous)))
      problems.push(`${owner} was told that it is well, and nothing had been wrong`);
    if (isBad(delivery) && previous && isBad(previous) && !isWorse(state, previous.state))
      problems.push(`${owner} was told ${previous.state}, and ${state} before it was well`);
  }
  for (const [owner, delivery] of last) {
    const state = states[owner] ?? 'well';
    if ((state === 'well') === isBad(delivery))
      problems.push(`${owner} is ${state}, and was told ${delivery.state} at last`);
  }
  return problems;
}

/** What an event says of an account that was erased, as the dataset must have it. */
export type Erased = {
  key: string | null;
  digest: string | null;
  requested_at: string;
  erased_at: string;
  locations: string[];
  outcome: string;
};

/** What a partition's manifest says, as far as it is checked. */
export type Manifest = {
  date: string;
  revision: number;
  rows: number;
  files: { name: string; rows: number; bytes: number; sha256: string }[];
};

/** A partition as it lies at its destination; no manifest: it is not there. */
export type Partition = { manifest: Manifest | null; files: ReadonlyMap<string, Buffer> };

const lineOf = ({ key, digest, requested_at, erased_at, locations, outcome }: Erased): string =>
  JSON.stringify([key, digest, at(requested_at), at(erased_at), [...locations].sort(), outcome]);

const at = (time: string) => new Date(time).toISOString();

/** A partition holds each account that was erased on its day, once, and nobody else; and its files are what it says. */
export function partitionExact(day: string, { manifest, files }: Partition, expected: readonly Erased[]): string[] {
  const problem = (words: string) => `the dataset of ${day}: ${words}`;
  if (!manifest) return [problem('there is no manifest')];
  const broken = manifest.files.flatMap(({ name, bytes, sha256 }) => {
    const content = files.get(name);
    if (!content) return [problem(`${name} is missing`)];
    const sum = createHash('sha256').update(content).digest('hex');
    return sum === sha256 && content.length === bytes ? [] : [problem(`${name} is not what the manifest says`)];
  });
  if (broken.length > 0) return broken;
  const lines = manifest.files
    .filter(({ name }) => name.endsWith('.ndjson'))
    .flatMap(({ name }) => (files.get(name) as Buffer).toString('utf8').split('\n').filter(Boolean));
  const found = lines.map((line) => lineOf(JSON.parse(line) as Erased)).sort();
  const wanted = expected.map(lineOf).sort();
  const odd = found.findIndex((line, n) => line !== wanted[n]);
  return [
    ...(manifest.date === day ? [] : [problem(`the manifest says ${manifest.date}`)]),
    ...(manifest.rows === wanted.length ? [] : [problem(`${manifest.rows} rows, erased were ${wanted.length}`)]),
    ...(found.length === wanted.length ? [] : [problem(`${found.length} lines, erased were ${wanted.length}`)]),
    ...(odd < 0 || found.length !== wanted.length ? [] : [problem(`${found[odd]} is there, not ${wanted[odd]}`)]),
    ...(['.parquet', '.ndjson'] as const).flatMap((end) => {
      const rows = manifest.files.filter(({ name }) => name.endsWith(end)).reduce((sum, file) => sum + file.rows, 0);
      return rows === wanted.length ? [] : [problem(`files ${end} of ${rows} rows, erased were ${wanted.length}`)];
    }),
  ];
}

export type Cycle = { id: string; state: string; findings: readonly { location: string; words: string }[] | null };

/** No test data is left under way, and the last of it, which met no fault, was erased. `newest` comes first. */
export function cyclesOver(newest: readonly Cycle[]): string[] {
  const live = newest.filter(({ state }) => state !== 'passed' && state !== 'failed');
  const [last] = newest;
  return [
    ...live.map(({ id, state }) => `the test data ${id} is still ${state}`),
    ...(last ? [] : ['no test data was planted']),
    ...(last?.state === 'failed'
      ? [
          `the test data ${last.id} was not erased: ${last.findings?.map((f) => `${f.location}: ${f.words}`).join('; ')}`,
        ]
      : []),
  ];
}

/** Nobody writes to an account that is nobody's. */
export function noMailTo(mails: readonly Mail[], isCanary: (address: string) => boolean): string[] {
  return mails.filter(({ to }) => isCanary(to)).map(({ subject }) => `test data was sent the mail "${subject}"`);
}

/** Gauges about users that are above 0 in a text of metrics, while nobody but test data is being erased. */
export function gaugesWithoutCanaries(text: string): string[] {
  const ABOUT_USERS =
    /^lethe_(erasures|erasures_held|erasures_overdue|tasks_overdue|oldest_live_erasure_age_seconds|due_not_started_age_seconds|oldest_pending_mail_age_seconds|owner_tasks|owner_tasks_late|owner_tasks_failing|owner_oldest_task_age_seconds|owner_deadline_used_ratio)(\{[^}]*\})? /;
  return text
    .split('\n')
    .filter((line) => ABOUT_USERS.test(line) && Number(line.slice(line.lastIndexOf(' ') + 1)) > 0)
    .map((line) => `a gauge about users counts test data: ${line}`);
}

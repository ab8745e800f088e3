import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  cyclesOver,
  type Delivery,
  type Erased,
  gaugesWithoutCanaries,
  noMailTo,
  type Partition,
  partitionExact,
  toldOnce,
} from '../harness/checks-watching.ts';

const told = (...said: string[]): Delivery[] =>
  said.map((words) => {
    const [id = '', owner = '', state = ''] = words.split(' ');
    return { id, owner, state };
  });

describe('what a team is told', () => {
  it('is one message when it begins and one when it is over, however often each comes', () => {
    expect(toldOnce([], {})).toEqual([]);
    expect(toldOnce(told('1 a late', '1 a late', '2 b failing', '3 a well', '3 a well'), { b: 'failing' })).toEqual([]);
    expect(toldOnce(told('1 a late', '2 a well', '3 a failing', '4 a well'), { a: 'well' })).toEqual([]);
    expect(toldOnce(told('1 a failing', '2 a late', '3 a well'), {})).toEqual([]);
  });

  it.each([
    [told('1 a late', '2 a late', '3 a well'), {}, 'a was told late, and late before it was well'],
    [told('1 a late', '2 a failing', '3 a well'), {}, 'a was told late, and failing before it was well'],
    [told('1 a well'), {}, 'a was told that it is well, and nothing had been wrong'],
    [told('1 a late', '2 a well', '3 a well'), {}, 'a was told that it is well, and nothing had been wrong'],
    [told('1 a late'), { a: 'well' }, 'a is well, and was told late at last'],
    [told('1 a late', '2 a well'), { a: 'failing' }, 'a is failing, and was told well at last'],
    [told('1 a late', '1 a well', '2 a well'), {}, 'the message 1 said a late, and then a well'],
  ] as [Delivery[], Record<string, string>, string][])('%j is found', (deliveries, states, problem) => {
    expect(toldOnce(deliveries, states)).toContain(problem);
  });
});

const erased = (key: string, hour: number): Erased => ({
  key,
  digest: `digest of ${key}`,
  requested_at: '2026-11-01T00:00:00.000Z',
  erased_at: `2026-11-02T0${hour}:00:00.000Z`,
  locations: ['posts', 'accounts'],
  outcome: 'erased',
});
const day = '2026-11-02';
const partition = (rows: readonly Erased[], change: { rows?: number; sha256?: string } = {}): Partition => {
  const lines = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const file = (name: string) => ({
    name,
    rows: rows.length,
    bytes: lines.length,
    sha256: change.sha256 ?? createHash('sha256').update(lines).digest('hex'),
  });
  const files = [file('part-00000-a.ndjson'), file('part-00000-a.parquet')];
  return {
    manifest: { date: day, revision: 1, rows: change.rows ?? rows.length, files },
    files: new Map(files.map(({ name }) => [name, lines])),
  };
};

describe('a day of the dataset', () => {
  const rows = [erased('1', 1), erased('2', 2)];

  it('has what was erased on it, in any order and however the times are written', () => {
    const written = [...rows].reverse().map((row) => ({ ...row, erased_at: row.erased_at.replace('.000Z', '+00:00') }));
    expect(partitionExact(day, partition(written), rows)).toEqual([]);
    expect(partitionExact(day, partition([]), [])).toEqual([]);
  });

  it.each([
    ['there is no manifest', { manifest: null, files: new Map() }, rows],
    ['1 rows, erased were 2', partition(rows.slice(1)), rows],
    ['3 rows, erased were 2', partition([...rows, erased('1', 1)]), rows],
    ['is there, not', partition([erased('1', 1), erased('3', 2)]), rows],
    ['is there, not', partition([erased('1', 1), { ...erased('2', 2), key: null }]), rows],
    ['is not what the manifest says', partition(rows, { sha256: 'other' }), rows],
    ['2 lines, erased were 3', partition(rows, { rows: 3 }), [...rows, erased('3', 3)]],
    ['is missing', { ...partition(rows), files: new Map() }, rows],
  ] as [string, Partition, Erased[]][])('is wrong where %s', (problem, there, expected) => {
    expect(partitionExact(day, there, expected).join()).toContain(problem);
  });
});

describe('test data', () => {
  const cycle = (id: string, state: string) => ({ id, state, findings: [{ location: 'posts', words: '3 rows' }] });

  it('comes to its end, and the last one, which nothing hindered, was erased', () => {
    expect(cyclesOver([{ id: '2', state: 'passed', findings: [] }, cycle('1', 'failed')])).toEqual([]);
    expect(cyclesOver([]).join()).toContain('no test data was planted');
    expect(cyclesOver([cycle('2', 'failed')])).toEqual(['the test data 2 was not erased: posts: 3 rows']);
    expect(cyclesOver([cycle('2', 'passed'), cycle('1', 'requested')])).toEqual(['the test data 1 is still requested']);
  });

  it('is sent no mail', () => {
    const mail = (to: string) => ({ to, subject: 'done', text: '' });
    const isCanary = (to: string) => to.endsWith('@canary.test');
    expect(noMailTo([mail('a@example.com')], isCanary)).toEqual([]);
    expect(noMailTo([mail('a@example.com'), mail('b@canary.test')], isCanary)).toHaveLength(1);
  });

  it('is in no gauge about users', () => {
    const text = [
      'lethe_erasures{state="running"} 0',
      'lethe_owner_tasks{owner="reader"} 2',
      'lethe_partner_calls_outstanding{partner="search"} 1',
      'lethe_oldest_live_erasure_age_seconds 0.5',
    ].join('\n');
    expect(gaugesWithoutCanaries(text)).toEqual([
      'a gauge about users counts test data: lethe_owner_tasks{owner="reader"} 2',
      'a gauge about users counts test data: lethe_oldest_live_erasure_age_seconds 0.5',
    ]);
    expect(gaugesWithoutCanaries('lethe_erasures{state="running"} 0\nlethe_canary_failing 1')).toEqual([]);
  });
});

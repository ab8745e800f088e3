import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { readPace, storePace } from '../../src/pace/current-pace.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { releaseLease, takeLease } from '../../src/store/lease.ts';
import { expectErased } from '../support/evidence.ts';
import { begin, run } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

const GENTLE = { pace: 'gentle', step: 0, slots: 1, words: null, signals: [] } as const;

describe('the pace of the cluster', () => {
  it('is obeyed from the next slice on, in rows and in pauses', async () => {
    const s = await subject(world.sql, 5_000);
    const id = await begin(domain.ctx, s.account);
    const next = await advanceErasure(domain.ctx, id, 1);
    const [chunk] = next.kind === 'dispatch' ? next.dispatch.chunks : [];
    const size = new SliceSize(200);
    const rows: number[] = [];
    const pauses: number[] = [];
    // With time enough: a slice that is slow for once would give way, and come again with half as many rows.
    const patient = { ...domain.ctx, settings: { ...domain.ctx.settings, lockBudgetMs: 5_000 } };
    const slices = (most: number) => {
      let begun = 0;
      return eraseChunk(patient, chunk?.id as number, size, {
        proceed: () => begun++ < most,
        pause: async (ms) => void pauses.push(ms),
        onSlice: (slice) => void rows.push(slice.rows),
      });
    };
    expect(await slices(1)).toBe('handed back');
    expect([rows, pauses]).toEqual([[1_000], []]);

    expect(await takeLease(domain.ctx.db, 'pace', 'this', 60_000)).toBe(true);
    expect(await storePace(domain.ctx.db, 'pace', 'this', { ...GENTLE, signals: [] })).toBe(true);
    expect(await slices(100)).toBe('finished');
    expect(Math.max(...rows.slice(1))).toBeLessThanOrEqual(500);
    expect(pauses.length).toBe(rows.length - 1);
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });
});

describe('a duty that one process does for all', () => {
  it('has one of many that ask at once, until its time is over or it gives it back', async () => {
    const { db } = domain.ctx;
    const ask = (holder: string) => takeLease(db, 'watch', holder, 60_000);
    const holders = ['a', 'b', 'c', 'd', 'e'];
    const taken = await Promise.all(holders.map(ask));
    expect(taken.filter(Boolean)).toHaveLength(1);
    const first = holders[taken.indexOf(true)] as string;
    expect(await ask(first)).toBe(true);
    expect(await ask('late')).toBe(false);
    await world.sql`UPDATE lethe.duty SET held_until = now() - interval '1 second' WHERE name = 'watch'`;
    expect(await ask('late')).toBe(true);
    expect(await ask(first)).toBe(false);
    await releaseLease(db, 'watch', 'late');
    expect(await ask(first)).toBe(true);
  });

  it('that was lost does not let its former holder decide the pace', async () => {
    const { db } = domain.ctx;
    await world.sql`UPDATE lethe.duty SET held_until = now() - interval '1 second' WHERE name = 'pace'`;
    expect(await takeLease(db, 'pace', 'successor', 60_000)).toBe(true);
    expect(await storePace(db, 'pace', 'successor', { ...GENTLE, signals: [] })).toBe(true);
    expect(await storePace(db, 'pace', 'this', { ...GENTLE, pace: 'full', signals: [] })).toBe(false);
    expect(await readPace(db)).toMatchObject({ pace: 'gentle' });
  });
});

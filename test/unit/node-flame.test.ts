import type { Profiler } from 'node:inspector';
import { describe, expect, it } from 'vitest';
import { foldProfile, sharesOf } from '../../bench/node-flame.ts';

const frame = (id: number, functionName: string, url: string, children: number[] = []) => ({
  id,
  callFrame: { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 },
  children,
});

/** Ten milliseconds: starts for two, idles for two, then works for six. */
const PROFILE: Profiler.Profile = {
  nodes: [
    frame(1, '(root)', '', [2, 3, 4]),
    frame(2, '(idle)', ''),
    frame(3, 'load', 'node:internal/modules/esm/loader'),
    frame(4, 'accept', 'file:///srv/dist/erasure/request.js', [5]),
    frame(5, 'execute', 'file:///srv/node_modules/drizzle-orm/pg-core/db.js', [6]),
    frame(6, 'toQuery', 'file:///srv/node_modules/drizzle-orm/sql/sql.js', [7]),
    frame(7, 'writeBuffer', '', [8]),
    frame(8, '(garbage collector)', ''),
  ],
  startTime: 100_000,
  endTime: 110_000,
  samples: [3, 2, 4, 6, 7, 8],
  timeDeltas: [2_000, 2_000, 1_000, 3_000, 1_500, 500],
};

describe('the profile of a process', () => {
  it('is folded by owner, without its idle time and what was before', () => {
    expect(Object.fromEntries(foldProfile(PROFILE, 7))).toEqual({
      'erasure/request': 1_000,
      'erasure/request;drizzle-orm': 3_000,
      'erasure/request;drizzle-orm;writeBuffer': 1_500,
      'erasure/request;drizzle-orm;writeBuffer;garbage collector': 500,
    });
    expect(foldProfile(PROFILE, 10).get('node')).toBe(2_000);
  });

  it("is shared out among who wrote the code, all of Lethe's files together", () => {
    const shares = sharesOf(
      new Map([...foldProfile(PROFILE, 7), ['erasure/request;db/transaction', 2_000], ['@hono/node-server', 1_000]]),
    );
    expect(shares.map(([owner, share]) => [owner, Math.round(share * 9)])).toEqual([
      ['Lethe', 3],
      ['drizzle-orm', 3],
      ['writeBuffer', 2],
      ['@hono/node-server', 1],
      ['garbage collector', 1],
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { boxesOf, drawFlame, fold } from '../../bench/flame.ts';

const SCRIPT = `
            55d0c1 heap_delete
            55d0c0 ExecDelete
            55d000 main

            55d0c1 heap_delete
            55d0c0 ExecDelete
            55d000 main

            55d0aa [unknown]
            55d000 main
`;

describe('a flame graph', () => {
  it('folds samples into stacks, outermost frame first', () => {
    expect([...fold(SCRIPT)]).toEqual([
      ['main;ExecDelete;heap_delete', 2],
      ['main;[unknown]', 1],
    ]);
    expect(fold('').size).toBe(0);
  });

  it('has a box as wide as its samples below the same callers', () => {
    expect(boxesOf(fold(SCRIPT))).toEqual([
      { name: 'main', from: 0, samples: 3, depth: 0 },
      { name: 'ExecDelete', from: 0, samples: 2, depth: 1 },
      { name: 'heap_delete', from: 0, samples: 2, depth: 2 },
      { name: '[unknown]', from: 2, samples: 1, depth: 1 },
    ]);
  });

  it('is drawn with names and shares', () => {
    const svg = drawFlame('A <title>', fold(SCRIPT));
    expect(svg).toContain('heap_delete 66.7 %');
    expect(svg).toContain('A &lt;title&gt;');
  });
});

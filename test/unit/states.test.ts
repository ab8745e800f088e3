import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isFinal, LIVE, STATES, TRANSITIONS } from '../../src/erasure/model/states.ts';

const words = (text: string) => [...text.matchAll(/`(\w+)`/g)].map((match) => String(match[1]));

/** The table of section 4: a state's targets follow its arrow; a row of several states names pairs. */
function documented(): Record<string, string[]> {
  const page = readFileSync('docs/design.md', 'utf8');
  const section = page.split(/^## /m).find((part) => part.startsWith('4. States')) ?? '';
  const transitions: Record<string, string[]> = {};
  for (const line of section.split('\n').filter((l) => l.startsWith('| `'))) {
    const [, states = '', when = ''] = line.split('|');
    const names = words(states);
    for (const name of names) transitions[name] = [];
    const [only] = names;
    if (names.length === 1 && only) transitions[only] = words(when.slice(when.indexOf('→')));
    else for (const [, from, to] of when.matchAll(/`(\w+)` → `(\w+)`/g)) transitions[String(from)]?.push(String(to));
  }
  return transitions;
}

describe('the states of an erasure', () => {
  it('have the transitions of the design, neither more nor fewer', () => {
    const sorted = (table: Record<string, readonly string[]>) =>
      Object.fromEntries(Object.entries(table).map(([from, to]) => [from, [...to].sort()]));
    expect(Object.keys(documented()).sort()).toEqual([...STATES].sort());
    expect(sorted(TRANSITIONS)).toEqual(sorted(documented()));
  });

  it('lead nowhere unknown and never to themselves', () => {
    for (const from of STATES) {
      expect(STATES).toEqual(expect.arrayContaining([...TRANSITIONS[from]]));
      expect(TRANSITIONS[from]).not.toContain(from);
    }
  });

  it('are all reached from the two that a request may begin in', () => {
    const reached = new Set<string>();
    const visit = (state: (typeof STATES)[number]) => {
      if (reached.has(state)) return;
      reached.add(state);
      TRANSITIONS[state].forEach(visit);
    };
    visit('scheduled');
    expect([...reached].sort()).toEqual([...STATES].sort());
  });

  it('are live until they are completed or cancelled', () => {
    expect(STATES.filter((state) => isFinal(state))).toEqual(['completed', 'cancelled']);
    expect(STATES.filter((state) => LIVE.includes(state))).toEqual(['scheduled', 'running', 'awaiting', 'stalled']);
    for (const state of LIVE) expect(TRANSITIONS[state].length).toBeGreaterThan(0);
  });
});

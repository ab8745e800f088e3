import { readFileSync } from 'node:fs';
import { getTableConfig, PgDialect } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import { isFinal, LIVE, STATES, TRANSITIONS } from '../../src/erasure/model/states.ts';
import { task } from '../../src/store/schema.ts';

const page = readFileSync('docs/state-machine.md', 'utf8');
/** Where a state begins or ends. */
const EDGE = '[*]';
type Arrow = { from: string; to: string };

/** The arrows in the part of the diagram that this name has. */
function drawn(name: string): Arrow[] {
  const part = new RegExp(`^ {2}state "${name}" as \\w+ \\{\\n([\\s\\S]*?)^ {2}\\}`, 'm').exec(page)?.[1] ?? '';
  const shown = new Map([...part.matchAll(/^ +state "(\w+)" as (\w+)$/gm)].map(([, word, id]) => [id, word]));
  return [...part.matchAll(/^ +(\S+) --> ([^\s:]+)/gm)].map(([, from = '', to = '']) => ({
    from: shown.get(from) ?? from,
    to: shown.get(to) ?? to,
  }));
}

/** The arrows that the table below this heading explains; a row may name several states to come from. */
function explained(heading: string): Arrow[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| ([^|]*)→ `(\w+)`[^|]*\|/gm)].flatMap(([, from = '', to = '']) => {
    const states = [...from.matchAll(/`(\w+)`/g)].map((match) => String(match[1]));
    return (states.length > 0 ? states : [EDGE]).map((state) => ({ from: state, to }));
  });
}

const written = (arrows: readonly Arrow[]) => arrows.map(({ from, to }) => `${from} → ${to}`).sort();
const inside = (arrows: readonly Arrow[]) => arrows.filter(({ from, to }) => from !== EDGE && to !== EDGE);
const from = (arrows: readonly Arrow[], state: string) => arrows.filter((arrow) => arrow.from === state);
const ends = (arrows: readonly Arrow[]) => arrows.filter(({ to }) => to === EDGE).map((arrow) => arrow.from);

describe('the states of an erasure', () => {
  const arrows = drawn('erasure');

  it('have the transitions of the diagram, neither more nor fewer', () => {
    const allowed = STATES.flatMap((state) => TRANSITIONS[state].map((to) => ({ from: state, to })));
    expect(written(inside(arrows))).toEqual(written(allowed));
  });

  it('begin and end as they are drawn', () => {
    expect(from(arrows, EDGE).map(({ to }) => to)).toEqual(['scheduled', 'running']);
    expect(ends(arrows)).toEqual(STATES.filter(isFinal));
  });

  it('lead nowhere unknown and never to themselves', () => {
    for (const state of STATES) {
      expect(STATES).toEqual(expect.arrayContaining([...TRANSITIONS[state]]));
      expect(TRANSITIONS[state]).not.toContain(state);
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

describe('the states of a task', () => {
  const arrows = drawn('task');
  const check = getTableConfig(task).checks.find(({ name }) => name === 'task_state');
  const allowed = [...new PgDialect().sqlToQuery(check?.value as never).sql.matchAll(/'(\w+)'/g)].map((m) => m[1]);

  it('are those that the schema allows, each drawn with a way in', () => {
    expect(allowed.length).toBeGreaterThan(0);
    const named = new Set(arrows.flatMap((arrow) => [arrow.from, arrow.to]));
    named.delete(EDGE);
    expect([...named].sort()).toEqual([...allowed].sort());
    for (const state of allowed) expect(arrows.map(({ to }) => to)).toContain(state);
  });

  it('begin with the default of the schema, and end done or retained', () => {
    expect(from(arrows, EDGE).map(({ to }) => to)).toEqual([task.state.default]);
    expect(ends(arrows)).toEqual(['done', 'retained']);
  });
});

describe.each([
  ['erasure', 'Who moves an erasure'],
  ['task', 'Who moves a task'],
])('the arrows of an %s', (name, heading) => {
  it('are explained below the diagram, each by one row', () => {
    const arrows = drawn(name).filter(({ to }) => to !== EDGE);
    expect(arrows.length).toBeGreaterThan(5);
    expect(written(explained(heading))).toEqual(written(arrows));
  });
});

import { html } from 'hono/html';
import type { Html } from '../../sign-in/frame.ts';
import { clockWords, momentWords } from './moments.ts';

const STATES: Record<string, string> = {
  scheduled: 'Scheduled',
  running: 'Running',
  awaiting: 'Awaiting partners',
  stalled: 'Stalled',
  completed: 'Completed',
  cancelled: 'Undone',
};
/** A state in words. */
export const stateWords = (state: string): string => STATES[state] ?? state;

/** The state as a mark, and the hold as another one. */
export const stateMarks = (state: string, held: boolean): Html =>
  html`<span class="state ${state}">${stateWords(state)}</span>${held ? html` <span class="state held">On hold</span>` : ''}`;

/** Says that no user asked for it. */
export const testMark = ({ canary }: { canary: boolean }): Html | '' =>
  canary ? html` <span class="state test">Test data</span>` : '';

/** A moment with its distance; the machine's spelling goes along. */
export const moment = (at: Date, now: Date): Html =>
  html`<time datetime="${at.toISOString()}">${momentWords(at, now)}</time>`;

/** A moment alone. */
export const clock = (at: Date, now: Date): Html =>
  html`<time datetime="${at.toISOString()}" title="${at.toISOString()}">${clockWords(at, now)}</time>`;

export const count = (n: number): string => n.toLocaleString('en-US');

/** `019ab3f2…c3d4e5`: the beginning tells the time, the end tells two of the same minute apart. */
export const shortId = (id: string): string => `${id.slice(0, 8)}…${id.slice(-6)}`;

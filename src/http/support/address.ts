import type { TasksOf } from '../../erasure/progress/tasks-of.ts';
import type { Href } from '../assets/assets.ts';
import { ERASURES } from '../sign-in/frame.ts';

/** What the search form says, as it was sent. */
export type Search = {
  q: string;
  state: string;
  held: boolean;
  overdue: boolean;
  /** `users`: no test data. `test`: nothing else. */
  accounts: '' | 'users' | 'test';
  /** Only erasures with a task of this owner that is open, late or failing. */
  owner: string;
  tasks: TasksOf['which'];
  cursor: string;
};
export const ANY: Search = {
  q: '',
  state: '',
  held: false,
  overdue: false,
  accounts: '',
  owner: '',
  tasks: 'open',
  cursor: '',
};

/** The list's address with these filters. */
export function addressOf(href: Href, { q, state, held, overdue, accounts, owner, tasks, cursor }: Search): string {
  const query = new URLSearchParams({
    ...(q ? { q } : {}),
    ...(state ? { state } : {}),
    ...(held ? { held: '1' } : {}),
    ...(overdue ? { overdue: '1' } : {}),
    ...(accounts ? { accounts } : {}),
    ...(owner ? { owner, tasks } : {}),
    ...(cursor ? { cursor } : {}),
  }).toString();
  return href(query === '' ? ERASURES : `${ERASURES}?${query}`);
}

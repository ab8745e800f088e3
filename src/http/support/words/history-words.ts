import type { HistoryEntry } from '../../../erasure/progress/history.ts';
import type { EventType } from '../../../events/append.ts';
import { errorWords } from './error-words.ts';
import { whoWords } from './moments.ts';

type Data = HistoryEntry['data'];

const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');
const list = (value: unknown) => (Array.isArray(value) ? value.map(text).join(', ') : text(value));
const by = ({ by: who }: Data) => (typeof who === 'string' ? ` by ${whoWords(who)}` : '');
const mail = (data: Data) => (data.kind === 'received' ? 'Mail “we have your request”' : 'Confirmation mail');
const rows = (value: unknown) =>
  typeof value === 'object' && value !== null
    ? Object.entries(value)
        .map(([name, count]) => `${text(count)} in ${name}`)
        .join(', ')
    : '';

const NEWER =
  'another account has this key now; rows that the earlier one may have left cannot be told from its rows, which are not touched';

/** Words for every type of event. A new type does not compile until it has words here. */
const WORDS: Record<EventType, (data: Data, requestedBy: string) => string> = {
  'erasure.requested': (_, requestedBy) => `Requested${requestedBy === '' ? '' : ` by ${requestedBy}`}`,
  'erasure.scheduled': () => 'Scheduled',
  'erasure.running': (data) => {
    if (data.from === 'stalled') return `Replayed${by(data)}`;
    if (data.from === 'completed') return `Opened again: rows had appeared in ${list(data.lateRowsIn)}`;
    if (data.from === 'scheduled') return `Started${by(data)}`;
    return 'Started at once';
  },
  'erasure.awaiting': (data) =>
    data.from === 'completed' ? `Opened again${by(data)}: waits for partners` : 'Deleted here; waits for partners',
  'erasure.completed': (data) => (data.newerAccount ? `Completed as before: ${NEWER}` : 'Completed'),
  'erasure.cancelled': (data) => (data.newerAccount ? `Closed: ${NEWER}` : `Undone${by(data)}`),
  'erasure.stalled': (data) => `Stalled: ${errorWords(`${text(data.code)}: `).words}`,
  'erasure.held': (data) => `Put on hold${by(data)}${data.reason ? `: ${text(data.reason)}` : ''}`,
  'erasure.released': (data) => `Released${by(data)}`,
  'erasure.replayed': (data) =>
    [
      list(data.again) === '' ? '' : `Asked again${by(data)}: ${list(data.again)}`,
      list(data.hurried) === '' ? '' : `Due at once${by(data)}: ${list(data.hurried)}`,
    ]
      .filter(Boolean)
      .join('. '),
  'erasure.scrubbed': () => 'Account, errors and reasons were forgotten',
  'task.failed': (data) => `Failed in ${text(data.location)}: ${errorWords(`${text(data.code)}: `).words}`,
  'task.interrupted': (data) =>
    `The worker that ${data.location ? `deleted ${text(data.location)}` : 'planned or finished'} ended without an answer: killed, for example out of memory`,
  'task.acknowledged': (data) => `${text(data.location)} has confirmed that its data is erased`,
  'task.dropped': (data) => `${text(data.location)} was dropped: the catalog does not list it any more`,
  'location.erased_at_request': (data) => {
    if (!data.over) return `${data.more ? 'Signing out' : 'Signed out'}: deleted ${rows(data.rows)}`;
    return list(data.left) === ''
      ? 'Signed out: deleted the rest'
      : `Signed out, but for new rows in ${list(data.left)}`;
  },
  'pass.started': (data) => `Pass ${text(data.pass)}: rows had appeared in ${list(data.locations)}`,
  'account.signed_out': () => 'The application revoked the account’s tokens',
  'account.sign_out_failed': () => 'The application never took the sign-out: tokens end by themselves',
  'account.erased': () => 'The account’s own row was deleted, and nothing was left',
  'mail.sent': (data) => `${mail(data)} sent`,
  'mail.skipped': (data) => `${mail(data)} skipped`,
  'mail.failed': (data) => `${mail(data)} failed`,
  'mail.uncertain': (data) => `${mail(data)}: nobody knows whether it arrived`,
};

/** An event in words. `requestedBy`: who asked, in words; empty when that was forgotten. Hostile: escape it. */
export const eventWords = ({ type, data }: HistoryEntry, requestedBy: string): string =>
  Object.hasOwn(WORDS, type) ? WORDS[type as EventType](data, requestedBy) : type;

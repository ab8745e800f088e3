// @ts-check
// What moves on the status page, in words and figures. The server renders the page with these functions. They are also
// served in front of status.js, which puts the same words into the page whenever an event comes.

/**
 * What the page shows: the erasure's state, or that it is held.
 * @typedef {'scheduled' | 'running' | 'held' | 'stalled' | 'awaiting' | 'completed' | 'cancelled'} Shown
 */
/**
 * An erasure as the API gives it, as far as the page looks at it. `rowsPlanned`, `percent` and `etaSeconds` are null
 * until they are known.
 * @typedef {{ name: string, state: string, rowsDeleted: number, rowsPlanned: number | null }} LiveLocation
 * @typedef {{ percent: number | null, etaSeconds: number | null, locations: readonly LiveLocation[] }} LiveProgress
 * @typedef {{ state: string, held: unknown, startedAt: unknown, progress: LiveProgress }} LiveErasure
 */
/**
 * A bar and the words beside it; `name` is the location's.
 * @typedef {{ name: string, value: number, max: number, words: string }} LiveBar
 * @typedef {{ value: number, max: number, percent: string, left: string }} Overall
 * @typedef {{ shown: Shown, final: boolean, overall: Overall | null, bars: LiveBar[] }} LiveView
 */

/** @param {number} n */
export const number = (n) => n.toLocaleString('en-US');

/**
 * How long it still takes, in words.
 * @param {number | null} seconds
 */
export function leftWords(seconds) {
  if (seconds === null) return 'Working out how long it will take';
  if (seconds < 60) return 'Less than a minute left';
  const [count, unit] =
    seconds < 5400
      ? [Math.round(seconds / 60), 'minute']
      : seconds < 129_600
        ? [Math.round(seconds / 3600), 'hour']
        : [Math.round(seconds / 86_400), 'day'];
  return `About ${count} ${unit}${count === 1 ? '' : 's'} left`;
}

/**
 * How far a location is, in words.
 * @param {LiveLocation} location
 */
export function barWords({ state, rowsDeleted, rowsPlanned }) {
  if (state === 'retained') return 'Kept';
  if (state === 'done') {
    if (rowsDeleted > 0) return `${number(rowsDeleted)} deleted`;
    return rowsPlanned === null ? 'Deleted' : 'Nothing to delete';
  }
  if (state === 'awaiting') return 'Waiting for confirmation';
  if (rowsPlanned === null || (state === 'pending' && rowsDeleted === 0)) return 'Waiting';
  return `${number(Math.min(rowsDeleted, rowsPlanned))} of ${number(rowsPlanned)}`;
}

/**
 * A location's bar. It is full when nothing more happens there.
 * @param {LiveLocation} location
 * @returns {LiveBar}
 */
function barOf(location) {
  const max = Math.max(1, location.rowsPlanned ?? 1);
  const over = location.state === 'done' || location.state === 'retained';
  const value = over ? max : Math.min(max, location.rowsDeleted);
  return { name: location.name, value, max, words: barWords(location) };
}

/**
 * What moves on the page. `overall` is null, and `bars` is empty, where the page has none.
 * @param {LiveErasure} erasure
 * @returns {LiveView}
 */
export function liveView({ state, held, startedAt, progress }) {
  const final = state === 'completed' || state === 'cancelled';
  const shown = /** @type {Shown} */ (held && !final ? 'held' : state);
  const begun = Boolean(startedAt) && !final;
  const { percent, etaSeconds, locations } = progress;
  return {
    shown,
    final,
    overall:
      begun && shown !== 'awaiting'
        ? {
            value: percent ?? 0,
            max: 100,
            percent: percent === null ? '' : `${percent}%`,
            left: shown === 'running' ? leftWords(etaSeconds) : '',
          }
        : null,
    bars: begun ? locations.map(barOf) : [],
  };
}

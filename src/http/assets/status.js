// Keeps the status page true without reloading it: server-sent events, else looking again. The page works without.
// `liveView` is in live-view.js, which is served in front of this file. Two requests could meet two versions of Lethe.
const POLL_MS = { running: 2_000, unavailable: 5_000 };
const POLL_OTHERWISE_MS = 10_000;
/** While events come, the page is still fetched now and then: a proxy may delay a stream. */
const POLL_WITH_EVENTS_MS = 60_000;
const RECONNECT_MS = 30_000;
const ANNOUNCE_MS = 10_000;

const main = document.querySelector('main');
const part = (name) => main.querySelector(`[data-live="${name}"]`);
const locale = navigator.languages.find((l) => l.startsWith('en')) ?? 'en-GB';

let events = null;
let streaming = false;
let timer;
let announcedAt = 0;

/** `today at 15:00`, `tomorrow at 09:00`, `on 25 November 2026 at 09:00`: the reader's own clock and calendar. */
function inWords(date) {
  const days = (new Date(date).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / 86_400_000;
  const day =
    { '-1': 'yesterday', 0: 'today', 1: 'tomorrow' }[Math.round(days)] ??
    `on ${new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(date)}`;
  return `${day} at ${new Intl.DateTimeFormat(locale, { timeStyle: 'short' }).format(date)}`;
}

function localize(root) {
  for (const time of root.querySelectorAll('time')) {
    time.title = time.textContent;
    time.textContent = inWords(new Date(time.dateTime));
  }
}

/** Speaks to those who do not see the page: rarely while it moves, at once when something has happened. */
function announce(text, now = false) {
  if (!now && Date.now() - announcedAt < ANNOUNCE_MS) return;
  announcedAt = Date.now();
  document.getElementById('announcer').textContent = text;
}

const move = (bar, { max, value }) => Object.assign(bar, { max, value });
const write = (element, text) => {
  if (element && element.textContent !== text) element.textContent = text;
};

/** Puts an erasure, as the API gives it, into the page that is shown. */
function apply(erasure) {
  const { shown, overall, bars } = liveView(erasure);
  if (shown !== main.dataset.shown) return void look();
  for (const bar of bars) {
    const item = main.querySelector(`[data-location="${CSS.escape(bar.name)}"]`);
    if (!item) continue;
    move(item.querySelector('progress'), bar);
    write(item.querySelector('.words'), bar.words);
  }
  if (!overall || !part('overall')) return;
  move(part('overall'), overall);
  write(part('percent'), overall.percent);
  write(part('left'), overall.left);
  if (overall.percent) announce(`${erasure.progress.percent} percent deleted. ${overall.left}`);
}

/** Shows a newer copy of this page: only what moves, unless it says something else now. */
function replace(next) {
  const fresh = next.querySelector('main');
  if (!fresh) return;
  localize(fresh);
  if (fresh.dataset.shown === main.dataset.shown) {
    for (const element of main.querySelectorAll('[data-live]')) {
      const newer = fresh.querySelector(`[data-live="${element.dataset.live}"]`);
      if (!newer) continue;
      if (element.localName === 'progress') move(element, newer);
      else if (element.innerHTML !== newer.innerHTML) element.replaceChildren(...newer.childNodes);
    }
    return;
  }
  const hadFocus = main.contains(document.activeElement);
  document.title = next.title;
  main.dataset.shown = fresh.dataset.shown;
  if (fresh.dataset.events) main.dataset.events = fresh.dataset.events;
  else delete main.dataset.events;
  main.replaceChildren(...fresh.childNodes);
  const heading = main.querySelector('h1');
  if (hadFocus) heading.focus();
  announce(`${heading.textContent}. ${main.querySelector('.lead')?.textContent ?? ''}`, true);
  follow();
}

let looking = false;
/** Fetches this page again. What cannot be shown for a moment does not replace what can. */
async function look() {
  if (looking) return;
  looking = true;
  try {
    const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(15_000) });
    if (answer.ok || answer.status === 404) replace(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  } catch {
    // The network is away; the next look may find it again.
  } finally {
    looking = false;
    plan();
  }
}

function plan() {
  clearTimeout(timer);
  if (!main.dataset.events && main.dataset.shown !== 'unavailable') return;
  const ms = streaming ? POLL_WITH_EVENTS_MS : (POLL_MS[main.dataset.shown] ?? POLL_OTHERWISE_MS);
  timer = setTimeout(() => (document.hidden ? plan() : look()), ms);
}

/** Listens to the erasure's events for as long as there will be any. */
function follow() {
  const address = main.dataset.events;
  if (!address) {
    events?.close();
    events = null;
    streaming = false;
  } else if (!events) {
    events = new EventSource(address);
    const heard = ({ data }) => {
      if (!streaming) {
        streaming = true;
        plan();
      }
      try {
        apply(JSON.parse(data));
      } catch {
        look();
      }
    };
    for (const name of ['snapshot', 'progress', 'state']) events.addEventListener(name, heard);
    events.addEventListener('error', () => {
      streaming = false;
      // A lost connection is made again by the browser; one that was refused is not.
      if (events?.readyState === EventSource.CLOSED) {
        events = null;
        setTimeout(follow, RECONNECT_MS);
      }
      plan();
    });
  }
  plan();
}

localize(document);
// After a reload nobody should read the message about what was just done again.
const here = new URL(location.href);
if (here.searchParams.has('notice')) {
  here.searchParams.delete('notice');
  history.replaceState(null, '', here);
}
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && main.dataset.events) look();
});
addEventListener('pageshow', (event) => {
  if (event.persisted && main.dataset.events) look();
});
follow();

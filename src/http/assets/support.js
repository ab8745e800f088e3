// Keeps the page of an erasure true without reloading it: asks for the page again and takes over what has changed.
const EVERY_MS = 2_000;
const AFTER_FAILURE_MS = 6_000;

const main = document.querySelector('main');
let failed = false;

/** Speaks to those who do not see the page. */
function announce(text) {
  document.getElementById('announcer').textContent = text;
}

/** Says above the page that it is not kept true at the moment. `null` takes the words away. */
function warn(words) {
  main.querySelector('.notice.stale')?.remove();
  if (words === null) return;
  const notice = document.createElement('p');
  notice.className = 'notice bad stale';
  notice.setAttribute('role', 'alert');
  notice.textContent = words;
  main.prepend(notice);
}

/** Takes over the parts that have changed, but not the one with the focus: the reader would lose the place. */
function takeOver(page) {
  for (const part of main.querySelectorAll('[data-live]')) {
    const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!fresh || fresh.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
    if (fresh.dataset.say !== part.dataset.say) announce(`The erasure is now ${fresh.dataset.say}`);
    const scrolled = part.querySelector('.timeline')?.scrollTop;
    part.replaceWith(document.adoptNode(fresh));
    if (scrolled) fresh.querySelector('.timeline').scrollTop = scrolled;
  }
}

async function look() {
  const answer = await fetch(location.pathname, { redirect: 'error', signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  takeOver(page);
  return page.querySelector('main[data-live-page]') !== null;
}

async function round() {
  let going = true;
  // Nobody looks at a page in the background.
  if (!document.hidden) {
    try {
      going = await look();
      if (failed) warn(null);
      failed = false;
    } catch {
      if (!failed)
        warn('This page is not up to date: the server does not answer, or you have been signed out. It tries again.');
      failed = true;
    }
  }
  if (going) setTimeout(round, failed ? AFTER_FAILURE_MS : EVERY_MS);
}

// The outcome of an action is news once, not after a reload.
if (new URLSearchParams(location.search).has('notice')) history.replaceState(null, '', location.pathname);
if (main?.hasAttribute('data-live-page')) setTimeout(round, EVERY_MS);

import { Hono, type Context as HonoContext } from 'hono';
import type { Config } from '../../config.ts';
import { LetheError } from '../../errors.ts';
import { type Addressed, addressOf, countedAs } from '../access/rate-limit.ts';
import type { Assets } from '../assets/assets.ts';
import { networksOf } from '../server/client-address.ts';
import { signInPage } from './frame.ts';
import { type Counting, createLoginAttempts } from './login-attempts.ts';
import { ownForms } from './own-forms.ts';
import { hashPassword, verifyPassword } from './password.ts';
import { type Sessions, signOut, startSession } from './session.ts';

type User = Config['LETHE_DASHBOARD_USERS'][number];

/** Compared when the name is unknown, so that timing does not tell which names exist. */
const NOBODY = hashPassword('nobody');

/**
 * The most attempts that may wait for their turn: in all, from strangers, and from one address, its /56 and its /48. So
 * a flood from one customer leaves room for the others. The places that strangers cannot take are for those who have
 * signed in from their address before.
 */
const MOST_WAITING = 13;
const MOST_STRANGERS = 10;
const MOST_WAITING_OF_ONE = [2, 3, 4];
/** The attempts that wait. */
const line: { networks: string[]; known: boolean }[] = [];
let turn: Promise<unknown> = Promise.resolve();

/**
 * Runs one attempt at a time, and lets few wait in line. Each costs 32 MB and a tenth of a second of a processor, and
 * anybody could make us spend that. Throws `too_many_attempts`.
 */
async function inTurn<T>(address: string, known: boolean, attempt: () => Promise<T>): Promise<T> {
  const me = { networks: networksOf(address), known };
  const crowded = me.networks.some(
    (network, i) => line.filter((one) => one.networks[i] === network).length >= Number(MOST_WAITING_OF_ONE[i]),
  );
  const strangers = line.filter((one) => !one.known).length;
  if (crowded || line.length >= MOST_WAITING || (!known && strangers >= MOST_STRANGERS))
    throw new LetheError('too_many_attempts', 'too many sign-ins at once; try again');
  line.push(me);
  const mine = turn.then(attempt).finally(() => {
    line.splice(line.indexOf(me), 1);
  });
  turn = mine.catch(() => 'the next one has its turn all the same');
  return mine;
}

/**
 * `/admin/login` and `/admin/logout`: a form, and a cookie that is signed and stays on this site. After failed attempts
 * a user waits longer and longer: 429 with the form, a message and `Retry-After`.
 */
export function loginRoutes(api: Addressed & Sessions & Counting, { href }: Pick<Assets, 'href'>): Hono {
  const { config } = api;
  const page = (message = '') => signInPage(href, message);
  const app = new Hono();
  const attempts = createLoginAttempts(api);
  app.use(ownForms(config));

  /** The user whose password this is, or null. The seconds to wait, when the password was not looked at. */
  const attempt = async (name: string, password: string, address: string): Promise<User | null | number> => {
    const begun = await attempts.begin(name, address);
    if (typeof begun === 'number') return begun;
    const user = config.LETHE_DASHBOARD_USERS.find((u) => u.name === name);
    const valid = await verifyPassword(password, user?.hash ?? (await NOBODY));
    if (user && valid) {
      await begun.succeeded();
      return user;
    }
    const { failures } = begun;
    // The address is personal data, and a name that nobody has may be a password typed in the wrong field.
    const from = countedAs(config, 'login', address).slice(0, 15);
    api.ctx.log.warn({ user: user?.name, from, failures }, 'dashboard sign-in failed');
    return null;
  };
  const wait = (c: HonoContext, seconds: number) => {
    c.header('Retry-After', String(seconds));
    const time = seconds < 120 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
    return c.html(page(`Too many attempts. Try again in ${time}.`), 429);
  };

  app.get('/login', (c) => c.html(page()));
  app.post('/login', async (c) => {
    // What cannot be read as a form names nobody.
    const form: Record<string, unknown> = await c.req.parseBody().catch(() => ({}));
    const [name, password] = [String(form.name ?? ''), String(form.password ?? '')];
    const address = addressOf(c, api);
    // A user who has to wait takes no place in the line.
    const seconds = await attempts.waitFor(name, address);
    const known = seconds > 0 || (await attempts.knows(name, address));
    const user = seconds > 0 ? seconds : await inTurn(address, known, () => attempt(name, password, address));
    if (typeof user === 'number') return wait(c, user);
    if (!user) return c.html(page('Name or password is wrong.'), 401);
    await startSession(c, api, user);
    return c.redirect(href('/admin/erasures'), 303);
  });
  app.post('/logout', async (c) => {
    await signOut(c, api);
    return c.redirect(href('/admin/login'), 303);
  });
  return app;
}

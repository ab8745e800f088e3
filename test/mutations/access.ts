import type { Mutation } from './mutation.ts';

const AUTH = 'src/http/access/auth.ts';
const ACCOUNTS = 'src/http/api/request-erasure.ts';
const AUTHENTICATION = 'test/integration/authentication.test.ts';

/** Who may what, and what they are shown. */
export const ACCESS: readonly Mutation[] = [
  {
    name: 'somebody-else-s-erasure',
    breaks: 'only who may: a user reaches their own erasure',
    edits: [
      {
        file: AUTH,
        find: "if (found && (caller.kind === 'key' || (await isTheirs(caller.accountKey, found, ctx)))) return found;",
        replace: 'if (found) return found;\n  void [isTheirs, caller, ctx];',
      },
    ],
    tests: [AUTHENTICATION],
  },
  {
    name: 'somebody-else-s-account',
    breaks: 'only who may: a user asks for their own erasure',
    edits: [
      {
        file: ACCOUNTS,
        find: "if (caller.kind === 'account' && caller.accountKey !== (await canonicalOf(key)))",
        replace: "if (caller.kind === 'account' && caller.accountKey === '')",
      },
    ],
    tests: [AUTHENTICATION],
  },
  {
    name: 'old-sign-in-is-enough',
    breaks: 'only who may: a stolen session erases nothing',
    edits: [{ file: AUTH, find: 'Date.now() / 1000 - caller.authTime > maxAge ||', replace: '' }],
    tests: [AUTHENTICATION],
  },
  {
    name: 'scope-not-asked-for',
    breaks: 'only who may: a key does what its scope says',
    edits: [
      {
        file: AUTH,
        find: "if (caller.kind === 'key' && !caller.scopes.some((s) => s === 'admin' || scopes.includes(s)))",
        replace: "if (caller.kind === 'key' && scopes.length < 0)",
      },
    ],
    tests: [AUTHENTICATION],
  },
  {
    name: 'status-link-unchecked',
    breaks: 'only who may: a status link opens its own erasure',
    edits: [
      {
        file: 'src/http/access/status-link.ts',
        find: "if (!verifyToken(config.LETHE_SECRET, 'status', erasureId, token))",
        replace: "if (token === '')",
      },
    ],
    tests: [AUTHENTICATION],
  },
  {
    name: 'token-for-every-erasure',
    breaks: 'only who may: a token belongs to one purpose and one erasure',
    edits: [
      {
        file: 'src/tokens.ts',
        find: ".update(parts.join('\\n'))",
        replace: ".update(parts[0] ?? '')",
      },
    ],
    tests: ['test/unit/tokens.test.ts'],
  },
  {
    name: 'look-of-before',
    breaks: 'whoever looks sees what they have just done',
    edits: [{ file: 'src/http/live/shared-look.ts', find: 'return turn.next;', replace: 'return turn.running;' }],
    tests: ['test/integration/shared-look.test.ts'],
  },
  {
    name: 'answers-kept-for-who-reads-none',
    breaks: 'bounded: a client that reads no answers fills no memory',
    edits: [
      {
        file: 'src/http/server/limits.ts',
        find: 'if (line.waiting.length < ahead) return',
        replace: 'if (ahead > 0) return',
      },
      { file: 'src/http/server/limits.ts', find: 'if (line.waiting.length >= ahead)', replace: 'if (ahead < 0)' },
    ],
    tests: ['test/integration/connections.test.ts'],
  },
  {
    name: 'no-limit-without-redis',
    breaks: 'bounded: the limits hold while Redis is late',
    edits: [
      {
        file: 'src/http/access/counter.ts',
        find: 'if (!there) return usedOf(here);',
        replace: 'if (!there) return { consumed: 1, msLeft: 1 };',
      },
      {
        file: 'src/http/access/counter.ts',
        find: 'if (here.consumed > points) return usedOf(here);',
        replace: '',
      },
    ],
    tests: ['test/integration/rate-limit.test.ts'],
  },
  {
    name: 'folder-forgotten',
    breaks: 'below a folder every address names it',
    edits: [
      {
        file: 'src/http/assets/assets.ts',
        find: "to.startsWith('/') ? `${base}${to}` :",
        replace: "to.startsWith('/') ? to :",
      },
    ],
    tests: ['test/integration/below-a-folder.test.ts'],
  },
  {
    name: 'sign-out-forgets-nothing',
    breaks: 'only who may: a copied cookie is dead after the sign-out',
    edits: [
      {
        file: 'src/http/sign-in/session.ts',
        find: '!ended.some(({ key }) => key === keyOf(session))',
        replace: 'session',
      },
    ],
    tests: ['test/integration/dashboard.test.ts'],
  },
  {
    name: 'stream-outlives-its-token',
    breaks: 'only who may: an event stream ends with its token',
    edits: [{ file: 'src/http/live/event-stream.ts', find: 'if (Date.now() >= expires) return close();', replace: '' }],
    tests: ['test/integration/events.test.ts'],
  },
  {
    name: 'jwt-of-any-type',
    breaks: 'only who may: a token opens only what it was issued for',
    edits: [
      { file: 'src/http/access/jwt.ts', find: '!TYPES.includes(String(typ).toLowerCase())', replace: 'typ === null' },
    ],
    tests: [AUTHENTICATION],
  },
];

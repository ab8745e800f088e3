import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FILES_WITH_PROSE, plainText, sentencesOf } from '../support/prose.ts';

const page = readFileSync('docs/glossary.md', 'utf8');
const HOLD = '(?:hold|holds|held|holding)';

type Rule = {
  /** As the page's last table has it. */
  not: string;
  pattern: RegExp;
  /** Each is found; what the glossary says instead is not. */
  wrong: readonly string[];
  right: readonly string[];
  /** Files in which the word means something else, and what. */
  except?: Readonly<Record<string, string>>;
  /** Only where people read sentences; elsewhere also the texts of the code, which users see. */
  proseOnly?: boolean;
};

const RULES: readonly Rule[] = [
  {
    not: 'holds a lock',
    pattern: new RegExp(`\\b${HOLD} (?:\\w+ ){0,2}locks?\\b`, 'i'),
    wrong: ['The application holds a lock on it.', 'A session that held locks.', 'It ends while holding the lock.'],
    right: ['The application has it locked.', 'An operator holds the erasure.'],
  },
  {
    not: 'a lock that is held',
    pattern: /\blocks? (?:that )?(?:is |are )?held\b/i,
    wrong: ['Another reason is a lock that is held.', 'With locks held it waits.'],
    right: ['Another reason is a lock that somebody has.'],
  },
  {
    not: 'holds the row',
    pattern: new RegExp(`\\b${HOLD} (?!is\\b)(?:[\\w'’]+ ){0,3}rows?\\b`, 'i'),
    wrong: ['Whoever holds the row decides.', 'It holds the account row.', 'Tables that hold rows of others.'],
    right: ['Whoever locks the row decides.', 'Tables that have rows of others.', 'A hold is lifted. Rows go.'],
  },
  {
    not: 'the transaction holds the account',
    pattern: new RegExp(
      `\\b(?:it|that|caller|transaction|acceptance|slice|step|session|and) ${HOLD} (?:the|that|its) (?:account|chunk|table)\\b(?!['’]s)|\\baccount is held\\b`,
      'i',
    ),
    wrong: ['The last transaction holds the account.', 'It waits while it held the account.', 'The account is held.'],
    right: ['The last transaction locks the account row.', 'The application holds the account.'],
  },
  {
    not: 'while holding',
    pattern:
      /\b(?:while|without|when|before|after|once) (?:holding|held)\b|\b(?:holds?|holding) (?:no )?others?\b|\belse held\b/i,
    wrong: [
      'It never waits while holding.',
      'Once held, it is deleted.',
      'It holds others.',
      'With nothing else held.',
    ],
    right: ['It never waits with rows locked.', 'When it is held nothing starts.'],
  },
  {
    not: 'sign out',
    pattern: /(?<!\bafter )\bsign(?:s|ed|ing)?[ -]out\b(?! calls?\b)/i,
    wrong: ['The user is signed out.', 'Signing out changes nothing.', 'A sign-out is due.'],
    right: ['The sessions are deleted.', 'The sign-out call is due.', 'It opens the page after sign-out.'],
    except: {
      'docs/authorization.md': 'an operator ends the own session of the dashboard',
      'src/http/sign-in/session.ts': 'the same',
      'src/client/follow.ts': 'the application may have signed out who calls the client',
      'test/integration/dashboard.test.ts': 'the same',
    },
    proseOnly: true,
  },
  {
    not: 'erase rows',
    pattern: /\bera(?:se|ses|sed|sing) (?:(?:the|these|those|its|their|few|all|some|any|more) ){0,3}rows?\b/i,
    wrong: ['It would erase these rows.', 'Erasing rows takes long.'],
    right: ['It would delete these rows.', 'It erases the account.'],
  },
  {
    not: 'freeze',
    pattern: /\bfr(?:eez|oz)(?:e|es|en|ing)\b/i,
    wrong: ['It freezes an erasure.', 'A frozen erasure.'],
    right: ['It holds an erasure.'],
    proseOnly: true,
  },
  {
    not: 'purge, wipe',
    pattern: /\b(?:purg(?:e|es|ed|ing)|wip(?:e|es|ed|ing))\b/i,
    wrong: ['It purges the account.', 'Its rows were wiped.'],
    right: ['It erases the account.', 'Its rows were deleted.'],
  },
  {
    not: 'batch',
    pattern: /\bbatch(?:es|ed)?\b/i,
    wrong: ['It deletes a batch.', 'Rows go in batches.'],
    right: ['It deletes a slice.', 'Chunks go in a window.'],
  },
  {
    not: 'sweeper, reconciler',
    pattern: /\b(?:sweeper|reconciler)s?\b/i,
    wrong: ['The sweeper starts it.', 'The reconciler finds it.'],
    right: ['The sweep starts it.', 'Reconcile finds it.'],
  },
  {
    not: 'audit log',
    pattern: /\baudit (?:log|trail)s?\b/i,
    wrong: ['It is in the audit log.', 'An audit trail.'],
    right: ['It is in the ledger.', 'An audit table of the application.'],
  },
];

/** What users see stands in strings and in the pages' files: every text of the sources, with its line. */
const textsOf = (file: string): readonly { line: number; text: string }[] =>
  file.startsWith('src/')
    ? readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, n) =>
          /['"`>]/.test(line) && !/^\s*(?:\/?\*|\/\/)/.test(line) ? [{ line: n + 1, text: line }] : [],
        )
    : [];

const prose = FILES_WITH_PROSE.filter(
  (file) => file !== 'docs/glossary.md' && file !== 'test/unit/glossary.test.ts',
).map((file) => ({ file, sentences: sentencesOf(file, readFileSync(file, 'utf8')), texts: textsOf(file) }));

const found = (rule: Rule): string[] =>
  prose
    .filter(({ file }) => !rule.except?.[file])
    .flatMap(({ file, sentences, texts }) =>
      [
        ...sentences
          .map(({ line, text }) => ({ line, text: plainText(text) }))
          .filter(({ text }) => rule.pattern.test(text)),
        ...(rule.proseOnly ? [] : texts.filter(({ text }) => rule.pattern.test(text))),
      ].map(({ line, text }) => `${file}:${line} ${text.trim()}`),
    );

describe('the glossary', () => {
  it('has a row for each rule, and a rule for each row', () => {
    const table = page.split('## Not these words')[1] ?? '';
    const rows = [...table.matchAll(/^\| (.*?) \|/gm)].map((match) => match[1]).slice(2);
    expect(rows).toEqual(RULES.map(({ not }) => not));
  });

  it.each(RULES)('finds "$not", and nothing in what it says instead', ({ pattern, wrong, right }) => {
    for (const sentence of wrong) expect(sentence).toMatch(pattern);
    for (const sentence of right) expect(sentence).not.toMatch(pattern);
  });

  it.each(RULES)('is obeyed: nobody says "$not"', (rule) => {
    expect(prose.length).toBeGreaterThan(300);
    expect([...new Set(found(rule))]).toEqual([]);
  });

  it('makes exceptions only where they are needed', () => {
    for (const { pattern, except = {} } of RULES)
      for (const file of Object.keys(except))
        expect(
          sentencesOf(file, readFileSync(file, 'utf8')).some(({ text }) => pattern.test(plainText(text))),
          file,
        ).toBe(true);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { completedMail, type MailFacts, receivedMail } from '../../src/mail/templates.ts';

const FACTS: MailFacts = {
  to: 'ada@example.com',
  erasureId: '0192d3c4-0000-7000-8000-000000000001',
  requestedAt: new Date('2026-11-22T13:12:59.999Z'),
  startsAt: new Date('2026-11-22T14:00:00.000Z'),
  completedAt: new Date('2026-11-22T14:03:05.000Z'),
  statusUrl: 'https://lethe.test/erasures/1?token=v1.abc&lang=en',
};
const MAILS = [
  ['received', receivedMail],
  ['completed', completedMail],
] as const;

describe.each(MAILS)('the %s mail', (kind, compose) => {
  it('goes to the address that was given, with a subject and both bodies', () => {
    const mail = compose(FACTS);
    expect(mail.to).toBe('ada@example.com');
    expect(mail.subject).toMatch(kind === 'received' ? /received your request/ : /has been deleted/);
    for (const body of [mail.text, mail.html]) {
      expect(body).toContain(mail.subject);
      expect(body).toContain(FACTS.erasureId);
    }
    expect(mail.html).toMatch(/^<!doctype html>\n<html lang="en">/);
  });

  it('has the same bytes each time, in any zone and locale', () => {
    const first = JSON.stringify(compose(FACTS));
    const { TZ, LANG } = process.env;
    try {
      for (const [zone, locale] of [
        ['Pacific/Auckland', 'ar_EG.UTF-8'],
        ['America/Los_Angeles', 'de_DE.UTF-8'],
      ]) {
        Object.assign(process.env, { TZ: zone, LANG: locale });
        expect(JSON.stringify(compose({ ...FACTS }))).toBe(first);
      }
    } finally {
      restore('TZ', TZ);
      restore('LANG', LANG);
    }
  });

  it('escapes what is put into the HTML, and leaves the text as it is', () => {
    const evil = `"><script>alert('x')</script>&`;
    const mail = compose({ ...FACTS, erasureId: evil, statusUrl: `https://x.test/${evil}` });
    expect(mail.html).not.toContain('<script');
    expect(mail.html).toContain('&#34;&#62;&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;');
    expect(mail.text).toContain(evil);
  });

  it('has the same tags and attributes, whatever text is put in', () => {
    const shape = (html: string) =>
      html
        .replace(/&#\d+;/g, '')
        .match(/<[^>]*>/g)
        ?.map((tag) => tag.replace(/href="[^"]*"/, 'href'));
    const expected = shape(compose(FACTS).html);
    const text = fc.string({ unit: fc.constantFrom(...`<>"'&/= a;\n\``), maxLength: 30 });
    fc.assert(
      fc.property(text, text, (erasureId, path) => {
        expect(shape(compose({ ...FACTS, erasureId, statusUrl: `https://x.test/${path}` }).html)).toEqual(expected);
      }),
    );
  });
});

describe('what the mails say', () => {
  it('received: when it starts, until when it can be undone, and where to look', () => {
    const { text, html } = receivedMail(FACTS);
    expect(text).toContain('You asked on 22 November 2026, 13:12 UTC');
    expect(text).toContain('starts by 22 November 2026, 14:00 UTC');
    expect(text).toContain(FACTS.statusUrl);
    expect(html).toContain('href="https://lethe.test/erasures/1?token=v1.abc&#38;lang=en"');
  });

  it('completed: when it was done, and no link to an account that is gone', () => {
    const { text, html } = completedMail(FACTS);
    expect(text).toContain('deleted on 22 November 2026, 14:03 UTC');
    expect(text).not.toContain('http');
    expect(html).not.toContain('<a ');
  });
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

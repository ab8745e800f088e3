import { describe, expect, it } from 'vitest';
import { isAddress, isSender } from '../../src/settings/mail-address.ts';

const LIST = [
  'a@x.example,b@y.example',
  'a@x.example, b@y.example',
  'a@x.example;b@y.example',
  'a@x.example b@y.example',
  'a@x.example\nBcc: b@y.example',
  'a@x.example\r\nBcc: b@y.example',
  'a@x.example\n',
  'a@x.example\u0000',
  'a@x.example\u0085b',
  'a@x.example\u2028b@y.example',
  'a\u200b@x.example',
  'Name <a@x.example>',
  '<a@x.example>',
  '"a@x.example, b"@y.example',
  'group: a@x.example;',
  'a@b@x.example',
  'a(comment)@x.example',
  'a',
  '@x.example',
  'a@',
  '',
  ' a@x.example',
  `${'a'.repeat(300)}@x.example`,
];

describe('the recipient of a mail', () => {
  it.each(['a@x.example', 'zoë@exämple.example', "o'hara+tag@sub.x.example", 'root@localhost', 'a=b/c!#$%@x.example'])(
    'may be %s',
    (text) => expect(isAddress(text)).toBe(true),
  );
  it.each(LIST)('may not be %j', (text) => expect(isAddress(text)).toBe(false));
});

describe('LETHE_MAIL_FROM', () => {
  it.each(['a@x.example', 'Lethe <a@x.example>', 'Zoë’s Reader <a@x.example>', '"Example, Inc." <a@x.example>'])(
    'may be %s',
    (text) => expect(isSender(text)).toBe(true),
  );
  it.each([
    ...LIST.filter((text) => text !== 'Name <a@x.example>'),
    'A, B <a@x.example>',
    'A\nB <a@x.example>',
    'A <a@x.example>, b@y.example',
  ])('may not be %j', (text) => expect(isSender(text)).toBe(false));
});

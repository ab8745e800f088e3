import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountDigest, deriveToken, verifyToken } from '../../src/tokens.ts';

const SECRET = 'a'.repeat(32);
const OLD = 'b'.repeat(32);
const ID = '0192d3c4-0000-7000-8000-000000000001';
const OTHER_ID = '0192d3c4-0000-7000-8000-000000000002';
const token = deriveToken([SECRET], 'status', ID);

describe('a derived token', () => {
  it('is the same each time, and fits a URL', () => {
    expect(deriveToken([SECRET], 'status', ID)).toBe(token);
    expect(token).toMatch(/^v1\.[\w-]{43}$/);
  });

  it('verifies for its own purpose, erasure and secret', () => {
    expect(verifyToken([SECRET], 'status', ID, token)).toBe(true);
  });

  it.each([
    ['another erasure', verifyToken([SECRET], 'status', OTHER_ID, token)],
    ['another purpose', verifyToken([SECRET], 'dashboard', ID, token)],
    ['another secret', verifyToken([OLD], 'status', ID, token)],
    ['no secret at all', verifyToken([], 'status', ID, token)],
  ])('does not verify for %s', (_, verified) => {
    expect(verified).toBe(false);
  });

  it('is signed by the first secret and verified by any, until its own leaves the list', () => {
    const signedBefore = deriveToken([OLD], 'status', ID);
    expect(deriveToken([SECRET, OLD], 'status', ID)).toBe(token);
    expect(verifyToken([SECRET, OLD], 'status', ID, signedBefore)).toBe(true);
    expect(verifyToken([SECRET, OLD], 'status', ID, token)).toBe(true);
    expect(verifyToken([SECRET], 'status', ID, signedBefore)).toBe(false);
  });

  it.each([
    ['an empty text', ''],
    ['the prefix alone', 'v1.'],
    ['no prefix', token.slice(3)],
    ['another version', token.replace('v1', 'v2')],
    ['one character less', token.slice(0, -1)],
    ['one character more', `${token}A`],
    ['padding', `${token}=`],
    ['characters that a decoder skips', `${token.slice(0, 10)}!\n ${token.slice(10)}`],
    ['a space before', ` ${token}`],
    ['a newline after', `${token}\n`],
    ['upper case', token.toUpperCase()],
    ['a token of the account digest', `v1.${Buffer.from(accountDigest([SECRET], ID), 'hex').toString('base64url')}`],
    ['10 kB', `v1.${'A'.repeat(10_000)}`],
  ])('refuses %s', (_, garbage) => {
    expect(verifyToken([SECRET], 'status', ID, garbage)).toBe(false);
  });

  it('has one spelling: the last character has no variants', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/';
    const spellings = [...alphabet].map((c) => token.slice(0, -1) + c);
    expect(spellings.filter((s) => verifyToken([SECRET], 'status', ID, s))).toEqual([token]);
  });

  it('no other string verifies', () => {
    const near = fc
      .tuple(fc.nat({ max: token.length }), fc.nat({ max: 3 }), fc.string({ maxLength: 3 }))
      .map(([at, remove, insert]) => token.slice(0, at) + insert + token.slice(at + remove));
    const bytes = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((b) => `v1.${Buffer.from(b).toString('base64url')}`);
    const any = fc.oneof(fc.string({ unit: 'binary' }), near, bytes);
    fc.assert(
      fc.property(any, (text) => {
        expect(verifyToken([SECRET, OLD], 'status', ID, text)).toBe(text === token);
      }),
      { numRuns: 1000 },
    );
  });

  it('belongs to exactly one purpose and id, for any ids', () => {
    const purpose = fc.constantFrom('status' as const, 'dashboard' as const);
    fc.assert(
      fc.property(purpose, fc.uuid(), purpose, fc.uuid(), (p1, id1, p2, id2) => {
        const verified = verifyToken([SECRET], p2, id2, deriveToken([SECRET], p1, id1));
        expect(verified).toBe(p1 === p2 && id1 === id2);
      }),
    );
  });
});

describe('the account digest', () => {
  it('depends on the key and on the secret, and does not show the key', () => {
    const digest = accountDigest([SECRET, OLD], '4711');
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(digest).not.toContain('4711');
    expect(accountDigest([SECRET], '4711')).toBe(digest);
    expect(accountDigest([OLD], '4711')).not.toBe(digest);
    expect(accountDigest([SECRET], '4712')).not.toBe(digest);
  });
});

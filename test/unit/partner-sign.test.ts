import { generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { problemOfSecrets, problemOfSignature, type SignedHeaders, signMessage } from '../../src/partners/sign.ts';

const secret = () => `whsec_${randomBytes(32).toString('base64')}`;
const RAW = 'a raw text with ümlauts?'.replaceAll(' ', '-').padEnd(30, 'x');
const pair = generateKeyPairSync('ed25519');
const bytesOf = (jwk: { d?: string; x?: string }, part: 'd' | 'x') => Buffer.from(jwk[part] as string, 'base64url');
const seed = bytesOf(pair.privateKey.export({ format: 'jwk' }), 'd');
const open = bytesOf(pair.publicKey.export({ format: 'jwk' }), 'x');
const WHSK = `whsk_${seed.toString('base64')}`;
const WHSK_LONG = `whsk_${Buffer.concat([seed, open]).toString('base64')}`;
const WHPK = `whpk_${open.toString('base64')}`;

const message = (body = '{"a":"ü"}', at = new Date()) => ({ id: 'msg_1', at, body });
const refused = (secrets: string, headers: SignedHeaders, body = '{"a":"ü"}', now = new Date()) =>
  problemOfSignature(secrets, headers, body, now);

describe('the signature of a message', () => {
  it('is accepted by the library of Standard Webhooks, whatever the body', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), fc.json(), (bytes, body) => {
        const text = `whsec_${Buffer.from(bytes).toString('base64')}`;
        const headers = signMessage(text, message(body));
        expect(() => new Webhook(text).verify(body, headers)).not.toThrow();
        expect(() => new Webhook(text).verify(`${body} `, headers)).toThrow('No matching signature');
        expect(refused(text, headers, body)).toBeUndefined();
        expect(refused(text, headers, `${body} `)).toContain('not of a secret');
      }),
    );
  });

  it('takes any other text as it is', () => {
    const headers = signMessage(RAW, message());
    expect(() => new Webhook(Buffer.from(RAW), { format: 'raw' }).verify('{"a":"ü"}', headers)).not.toThrow();
  });

  it('is what their library signs', () => {
    const text = secret();
    const at = new Date();
    const headers = {
      'webhook-id': 'x',
      'webhook-timestamp': `${Math.floor(at.getTime() / 1000)}`,
      'webhook-signature': new Webhook(text).sign('x', at, 'body'),
    };
    expect(refused(text, headers, 'body')).toBeUndefined();
  });

  it('is one for each secret, so that a secret can be rotated on both sides in any order', () => {
    const [old, young] = [secret(), secret()];
    const headers = signMessage(`${old}  ${young}`, message());
    expect(headers['webhook-signature'].split(' ')).toHaveLength(2);
    for (const one of [old, young]) {
      expect(() => new Webhook(one).verify('{"a":"ü"}', headers)).not.toThrow();
      expect(refused(one, headers)).toBeUndefined();
      expect(refused(`${secret()} ${one}`, signMessage(one, message()))).toBeUndefined();
    }
    expect(refused(secret(), headers)).toContain('not of a secret');
  });

  it('is of Ed25519 with whsk_, which whpk_ and any other program verify', () => {
    for (const text of [WHSK, WHSK_LONG]) {
      const headers = signMessage(text, message());
      const [version, signature] = headers['webhook-signature'].split(',');
      expect(version).toBe('v1a');
      const content = Buffer.from(`msg_1.${headers['webhook-timestamp']}.{"a":"ü"}`);
      expect(verify(null, content, pair.publicKey, Buffer.from(signature as string, 'base64'))).toBe(true);
      for (const of of [WHPK, WHSK]) expect(refused(of, headers)).toBeUndefined();
      expect(refused(WHPK, headers, 'another body')).toContain('not of a secret');
    }
  });

  it('stands beside one of the other sort', () => {
    const text = secret();
    const headers = signMessage(`${WHSK} ${text}`, message());
    expect(headers['webhook-signature']).toMatch(/^v1a,\S+ v1,\S+$/);
    expect(() => new Webhook(text).verify('{"a":"ü"}', headers)).not.toThrow();
    expect(refused(WHPK, headers)).toBeUndefined();
  });

  it('is believed for five minutes, in both directions', () => {
    const text = secret();
    const now = new Date(1_700_000_000_000);
    const at = (seconds: number) =>
      refused(text, signMessage(text, message(undefined, new Date(now.getTime() + seconds * 1000))), undefined, now);
    for (const seconds of [-300, -1, 0, 300]) expect(at(seconds)).toBeUndefined();
    expect(at(-301)).toBe('webhook-timestamp is 301 seconds old: 300 are allowed');
    expect(at(600)).toBe('webhook-timestamp is 600 seconds ahead: 300 are allowed');
  });

  it('is refused in words when headers are missing, or are anything else, and never throws', () => {
    const text = secret();
    const headers = signMessage(text, message());
    for (const name of Object.keys(headers))
      expect(refused(text, { ...headers, [name]: undefined })).toContain('are required');
    expect(refused(text, { ...headers, 'webhook-timestamp': '1e9' })).toContain('not a number');
    fc.assert(
      fc.property(fc.string(), (signature) => {
        expect(refused(`${text} ${WHPK}`, { ...headers, 'webhook-signature': `v1a,${signature}` })).toBeTypeOf(
          'string',
        );
        expect(refused(`${text} ${WHPK}`, { ...headers, 'webhook-signature': signature })).toBeTypeOf('string');
      }),
    );
  });

  it.each([
    ['', 'is empty'],
    ['  ', 'is empty'],
    ['short', 'has fewer than 24 bytes'],
    ['whsec_', 'is not base64 after whsec_'],
    ['whsec_%%%', 'is not base64 after whsec_'],
    ['whsec_c2hvcnQ=', 'has fewer than 24 bytes'],
    ['whsk_c2hvcnQ=', 'has not the 32 or 64 bytes of an Ed25519 key'],
    ['whpk_c2hvcnQ=', 'has not the 32 bytes of a public Ed25519 key'],
    [WHPK, 'is a public key, which cannot sign'],
  ])('is not made with the secret %j', (text, words) => {
    expect(problemOfSecrets(text)).toBe(words);
  });

  it('is made with a good secret', () => {
    for (const text of [secret(), RAW, WHSK, WHSK_LONG, `${RAW} ${secret()} ${WHSK}`])
      expect(problemOfSecrets(text)).toBeUndefined();
  });
});

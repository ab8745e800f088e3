import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';

it('the demo shows partners that fail and recover, and ends by itself', async () => {
  const env = { PATH: process.env.PATH };
  const args = ['--import', 'tsx', 'dev/demo.ts', '--once', '--posts', '2000'];
  const demo = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => demo.once('close', resolve));
  const [out, errors, code] = await Promise.all([text(demo.stdout), text(demo.stderr), ended]);
  expect([code, errors], out).toEqual([0, '']);
  expect(out).toMatch(/all partners have erased it, too: completed/);
  expect(out).toMatch(
    /^ +passed: it planted (?=.*feeds 1\b)(?=.*posts 1\b)(?=.*sessions 1\b)(?=.*search 1\b)(?=.*avatars 1\b).*; all of it is gone$/m,
  );
  expect(out.indexOf('passed: it planted')).toBeLessThan(out.indexOf('Now all partners go away'));
  expect(out).toMatch(/awaiting: the account is gone, and its partners are awaited/);
  for (const [partner, outage] of [
    ['search', 'circuit open +6 waiting: .*refused'],
    ['newsletters', 'circuit open +6 waiting: .*refused'],
    ['avatars', 'circuit open +6 waiting: .*ECONNREFUSED'],
    ['recommendations', 'circuit closed +6 waiting: published; its acknowledgement is awaited'],
  ]) {
    expect(out).toMatch(new RegExp(`^ +${partner} .* ${outage}`, 'm'));
    expect(out).toMatch(new RegExp(`^ +${partner} .* circuit closed +0 waiting`, 'm'));
  }
  expect(out).toMatch(/7 erasures completed, [\d.]+ s after the partners have come back/);
  const there = 'newsletters, the second Lethe: (.*); its own ledger counts what was there';
  const told = [...out.matchAll(new RegExp(`ok +(small|large): ${there} \\((.*)\\)`, 'g'))].map(([, ...seen]) => seen);
  expect(told).toEqual([
    ['small', 'erased (200)', 'erasures 1, subscribers 1, subscriptions 5'],
    ['large', 'it acknowledged: erased', 'erasures 1, subscribers 1, subscriptions 300'],
  ]);
  expect(out).toMatch(/^ +ok +it finds nothing of the test data after that/m);
  expect(out).toMatch(/^ +It keeps the contract\.$/m);
  // A demo that goes on past midnight (UTC) has a day that is to be written.
  expect(out).toMatch(/^ +(No day is missing|Missing: [\d-]+)\. It is complete until \d{4}-\d\d-\d\d/m);
  expect(out).not.toContain('FAIL');
}, 400_000);

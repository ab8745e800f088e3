import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { until } from '../support/until.ts';
import { createWorld, jwt, KEYS, type World } from '../support/world.ts';

/** What a terminal obeys or is misled by. A line break ends each log line. */
const STEERS = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const ESCAPES = '\u001b]0;owned\u0007\u009b2J\u202egnp.exe\u2028';

let world: World;
beforeAll(async () => {
  world = await createWorld({ env: { LOG_LEVEL: 'debug', LETHE_DASHBOARD_USERS: '' } });
});
afterAll(() => world.close());

describe('what ends in the log', () => {
  it('is one line of JSON each, and steers no terminal, whatever is sent', async () => {
    const api = world.spawn(['api']);
    const port = await until('the API listens', () => /"port":(\d+)/.exec(api.output())?.[1]);
    const send = (method: string, path: string, headers: Record<string, string> = {}, body = '') =>
      new Promise<void>((resolve, reject) => {
        const sent = httpRequest({ port, host: '127.0.0.1', method, path, headers }, (answer) => {
          answer.resume();
          answer.once('end', resolve);
        });
        sent.once('error', reject);
        sent.end(body);
      });
    const text = encodeURIComponent(ESCAPES);
    const key = { Authorization: `Bearer ${KEYS.admin}` };
    await send('GET', `/v1/erasures/${text}?token=${text}`, key);
    await send('POST', `/v1/accounts/${text}/erasure`, { 'X-Request-Id': 'a\u009b2Jb', 'User-Agent': 'x\u009bm' });
    await send('POST', `/v1/accounts/1/erasure`, { Authorization: await jwt({ sub: ESCAPES }) });
    await send('POST', '/v1/accounts/1/erasure', { ...key, 'Content-Type': 'application/json' }, `{"${ESCAPES}":1}`);
    await send(
      'POST',
      '/admin/login',
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      `name=${text}&password=${text}`,
    );
    await send('GET', `/${text}`);
    await until('all are logged', () => api.output().match(/"msg":"request"/g)?.length === 6);
    api.child.kill('SIGTERM');
    await api.exited;
    const output = api.output();
    expect(STEERS.exec(output)).toBeNull();
    const lines = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.length).toBeGreaterThan(6);
    expect(output).not.toContain('owned');
  });

  it('keeps a hostile text, escaped, where it belongs into the log', () => {
    const written: string[] = [];
    const log = createLogger('info', 'test');
    // The logger writes to the file descriptor; its hook sees the line before.
    const stream = Reflect.get(
      log,
      Object.getOwnPropertySymbols(log).find((s) => s.description === 'pino.stream') as symbol,
    );
    Object.assign(stream as object, { write: (line: string) => written.push(line) });
    log.warn({ table: ESCAPES }, 'catalog');
    expect(written).toHaveLength(1);
    expect(STEERS.exec(String(written[0]))).toBeNull();
    expect(JSON.parse(String(written[0])).table).toBe(ESCAPES);
  });
});

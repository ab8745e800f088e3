import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { outboxProvider } from '../../src/mail/outbox.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lethe-outbox-'));
});
afterEach(() => rm(folder, { recursive: true }));

const message = { to: 'zoë@example.com', subject: 'Done ✓', html: '<p>Done &#38; over</p>', text: 'Done & over\n' };
const read = (outbox: string, name: string) => readFile(join(outbox, name), 'utf8');

it('writes one file per form, in a folder that it makes', async () => {
  const outbox = join(folder, 'a', 'b');
  expect(await outboxProvider(outbox)(message, 'lethe-1')).toBe('outbox-lethe-1');
  expect((await readdir(outbox)).sort()).toEqual(['lethe-1.html', 'lethe-1.json', 'lethe-1.txt']);
  expect(await read(outbox, 'lethe-1.html')).toBe(message.html);
  expect(await read(outbox, 'lethe-1.txt')).toBe(message.text);
  expect(JSON.parse(await read(outbox, 'lethe-1.json'))).toEqual(message);
});

it('lets nobody else read them', async () => {
  const before = process.umask(0);
  try {
    const outbox = join(folder, 'mine');
    await outboxProvider(outbox)(message, 'lethe-1');
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    expect(await mode(outbox)).toBe('700');
    for (const file of await readdir(outbox)) expect(await mode(join(outbox, file)), file).toBe('600');
  } finally {
    process.umask(before);
  }
});

it('replaces the mail of an earlier attempt and leaves the others', async () => {
  const send = outboxProvider(folder);
  await send(message, 'lethe-1');
  await send({ ...message, text: 'other' }, 'lethe-2');
  expect(await send({ ...message, text: 'again', html: '<p>again</p>' }, 'lethe-1')).toBe('outbox-lethe-1');
  expect((await readdir(folder)).filter((name) => name.endsWith('.json')).sort()).toEqual([
    'lethe-1.json',
    'lethe-2.json',
  ]);
  expect(await readdir(folder)).toHaveLength(6);
  expect(await read(folder, 'lethe-1.txt')).toBe('again');
  expect(await read(folder, 'lethe-1.html')).toBe('<p>again</p>');
  expect(JSON.parse(await read(folder, 'lethe-1.json'))).toMatchObject({ text: 'again', html: '<p>again</p>' });
  expect(await read(folder, 'lethe-2.txt')).toBe('other');
});

it('attempts at the same time leave one whole mail', async () => {
  const send = outboxProvider(folder);
  const big = { ...message, text: 'x'.repeat(500_000) };
  const ids = await Promise.all(Array.from({ length: 8 }, () => send(big, 'lethe-1')));
  expect(new Set(ids)).toEqual(new Set(['outbox-lethe-1']));
  expect((await readdir(folder)).sort()).toEqual(['lethe-1.html', 'lethe-1.json', 'lethe-1.txt']);
  expect(await read(folder, 'lethe-1.txt')).toBe(big.text);
  expect(JSON.parse(await read(folder, 'lethe-1.json'))).toEqual(big);
});

it('says that a folder which cannot be written to is for an operator to mend: no mail has left', async () => {
  await writeFile(join(folder, 'file'), '');
  await expect(outboxProvider(join(folder, 'file', 'outbox'))(message, 'lethe-1')).rejects.toMatchObject({
    failure: 'blocked',
    code: 'outbox_ENOTDIR',
  });
});
